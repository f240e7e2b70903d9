"""Our ARI client: one websocket kept alive, and a `request` that travels over it.

Law: the event filter is set before `on_connected` is called, at every connect. `on_gap` is called whenever a
connection was lost: events may be missing from then on. When another process takes our application over we stop and
say so; two that fight would each lose calls.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec
import structlog
from picows import WSError, WSInvalidStatusError

from ivr.asterisk.ari.connection import CLOSE_TIMEOUT, Connection, Reply, base_url
from ivr.asterisk.ari.errors import NOT_FOUND, AriDisconnected, AriError, AriUnsent, place, refusal
from ivr.asterisk.ari.events import CALL_EVENTS, CONNECTION_EVENTS, ApplicationReplaced, CallEvent
from ivr.asterisk.ari.plain_http import PlainHttp
from ivr.asterisk.ari.requests import Request, filter_events
from ivr.asterisk.ari.router import call_of_event
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import Ari
from ivr.domain.errors import Unusable

_REFUSED: Final = frozenset({401, 403})

log = structlog.get_logger()

Done = Callable[[AriError | AriDisconnected | None], None]
"""Told, once, how a request ended: None when Asterisk carried it out."""


class AriClient:
    """One Stasis application at one Asterisk. Callbacks are plain functions, called in the order of the events."""

    def __init__(
        self,
        settings: Ari,
        *,
        on_event: Callable[[CallEvent], None],
        on_connected: Callable[[], None],
        on_gap: Callable[[], None],
        event_types: Sequence[str] = CALL_EVENTS,
        timing: Timing = Timing(),  # noqa: B008 -- frozen
    ) -> None:
        self.application = settings.application
        self.connects = 0
        """How many connections there have been: what was sent in an earlier one may have been lost."""
        self._settings = settings
        self._timing = timing
        self._where = base_url(settings)
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_gap = on_gap
        self._filter = filter_events(settings.application, (*event_types, *CONNECTION_EVENTS))
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._http: PlainHttp | None = None
        self._over_http = False
        self._replaced = False
        self._posts: asyncio.Queue[tuple[Request, Done]] = asyncio.Queue()
        self._posting: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    async def start(self) -> None:
        """Connect; from then on stay connected until `close()`.

        Raises Unusable, saying what and where: at once for a wrong password, after `timing.start` seconds when
        Asterisk cannot be reached.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timing.start
        for pause in self._timing.pauses():
            try:
                await self._connect()
                break
            except _Refused:
                raise
            except Unusable as exc:
                if loop.time() + pause >= deadline:
                    raise
                log.warning("ari_not_connected_yet", where=self._where, reason=str(exc))
            await asyncio.sleep(pause)
        self._keeper = asyncio.create_task(self._stay_connected(), name="ari-keeper")

    async def wait_closed(self) -> None:
        """Return after `close()`; raise Unusable when another process took the application over."""
        if self._keeper is None:
            return
        await asyncio.wait((self._keeper,))
        if not self._keeper.cancelled() and (exc := self._keeper.exception()) is not None:
            raise exc

    async def wait_connected(self, timeout: float) -> None:
        """Return once there is a connection. Raises AriDisconnected when there is none in `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError:
            raise AriDisconnected(f"no connection to Asterisk's ARI at {self._where}") from None

    async def send(self, request: Request) -> Any:
        """The reply's JSON, or None if it has none.

        Raises Gone or AriError when Asterisk refuses, AriDisconnected when nobody can say whether it was carried out.
        """
        connection = self._connection
        if connection is None:
            raise AriUnsent(f"no connection to Asterisk's ARI at {self._where}")
        if self._over_http:
            status, body = await self._plain_http().request(request, self._timing.request)
        else:
            try:
                status, body = await connection.request(request, self._timing.request)
            except AriDisconnected:
                if connection is self._connection:
                    self._connected.clear()
                raise
        if 200 <= status < 300:
            return msgspec.json.decode(body) if body else None
        raise refusal(status, _message(body))

    def post(self, request: Request, done: Done) -> None:
        """Send it and go on; `done` is told what became of it. Posted requests are carried out in their order."""
        connection = self._connection
        if connection is None:
            done(AriUnsent(f"no connection to Asterisk's ARI at {self._where}"))
        elif self._over_http:
            self._posts.put_nowait((request, done))
            if self._posting is None:
                self._posting = asyncio.create_task(self._post_in_order(), name="ari-posts")
        else:
            connection.post(request, self._timing.request, partial(self._replied, connection, done))

    async def request(self, method: str, path: str, query: dict[str, str] | None = None, body: Any = None) -> Any:
        """The same, for a request that `requests.py` does not know."""
        return await self.send(Request(method, path, query, body))

    async def close(self) -> None:
        """End the connection; calls stay up in Asterisk."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError, Unusable):
                await self._keeper
        if self._posting is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await self._posts.join()
            self._posting.cancel()
            with suppress(asyncio.CancelledError):
                await self._posting
        await self._disconnect()
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _replied(self, connection: Connection, done: Done, reply: Reply | AriDisconnected) -> None:
        if not isinstance(reply, Reply):
            if connection is self._connection:
                self._connected.clear()
            done(reply)
        elif 200 <= reply.status < 300:
            done(None)
        else:
            done(refusal(reply.status, _message(reply.body)))

    async def _post_in_order(self) -> None:
        while True:
            request, done = await self._posts.get()
            error: AriError | AriDisconnected | None = None
            try:
                await self.send(request)
            except (AriError, AriDisconnected) as exc:
                error = exc
            except Exception as exc:  # noqa: BLE001 -- one odd reply must not end every call's commands
                log.error("ari_reply_not_understood", where=place(exc))
                error = AriDisconnected("Asterisk's ARI gave a reply that is none")
            if isinstance(error, AriDisconnected) and self._connection is not None:
                self._connection.drop()  # what may have been lost is settled after the next connect
            try:
                done(error)
            except Exception as exc:  # noqa: BLE001 -- nor one call's bug
                log.error("ari_reply_handler_failed", where=place(exc))
            self._posts.task_done()

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        pauses = self._timing.pauses()
        while True:
            connected_at = loop.time()
            if self._reading is not None:
                await asyncio.shield(self._reading)
            await self._disconnect()
            self._check_ours()
            log.warning("ari_connection_lost", where=self._where)
            self._on_gap()
            if loop.time() - connected_at >= self._timing.steady_after:
                pauses = self._timing.pauses()
            while True:
                await asyncio.sleep(next(pauses))
                try:
                    await self._connect()
                    break
                except Unusable as exc:
                    self._check_ours()
                    log.warning("ari_not_reconnected", where=self._where, reason=str(exc))

    async def _connect(self) -> None:
        """A connection with its filter set. Raises Unusable; nothing is left behind then."""
        try:
            connection = Connection(self._on_message)
            await connection.open(self._settings, self._timing)
        except WSInvalidStatusError as exc:
            raise self._refused(exc.response.status if exc.response is not None else 0) from None
        except (OSError, TimeoutError, WSError) as exc:
            raise Unusable(f"Asterisk's ARI at {self._where} cannot be reached: {type(exc).__name__}") from None
        reading = asyncio.create_task(connection.run(), name="ari-reader")
        try:
            await self._set_filter(connection)
        except (AriError, AriDisconnected) as exc:
            await connection.close()
            await reading
            raise Unusable(f"Asterisk's ARI at {self._where} does not work: {exc}") from None
        self._connection = connection  # from here on: before, nobody knew whether it takes requests
        self._reading = reading
        self.connects += 1
        log.info("ari_connected", where=self._where, application=self.application, over_http=self._over_http)
        self._connected.set()
        self._on_connected()

    async def _set_filter(self, connection: Connection) -> None:
        self._over_http = False
        asked = asyncio.create_task(connection.request(self._filter, self._timing.request))
        done, _ = await asyncio.wait((asked,), timeout=self._timing.first_request)
        if done:
            status, body = asked.result()
        else:
            asked.cancel()
            with suppress(asyncio.CancelledError, AriDisconnected):
                await asked
            log.warning("ari_no_requests_over_websocket", where=self._where)
            self._over_http = True
            status, body = await self._plain_http().request(self._filter, self._timing.request)
        if status >= 300:
            raise refusal(status, _message(body))

    async def _disconnect(self) -> None:
        self._connected.clear()
        connection, self._connection = self._connection, None
        reading, self._reading = self._reading, None
        if connection is not None:
            await connection.close()
        if reading is not None:
            await reading

    def _on_message(self, message: CallEvent | ApplicationReplaced) -> None:
        if isinstance(message, ApplicationReplaced):
            self._replaced = True
            if self._connection is not None:
                self._connection.drop()
            return
        try:
            self._on_event(message)
        except Exception as exc:  # noqa: BLE001 -- one call's bug must not end the other calls' events
            log.error(
                "call_event_failed", call_id=call_of_event(message), type=type(message).__name__, where=place(exc)
            )

    def _check_ours(self) -> None:
        if self._replaced:
            log.error("ari_application_taken_over", application=self.application, where=self._where)
            raise Unusable(
                f"another process has taken over the Stasis application {self.application!r} at {self._where}"
            )

    def _plain_http(self) -> PlainHttp:
        if self._http is None:
            self._http = PlainHttp(self._settings, self._timing.open)
        return self._http

    def _refused(self, status: int) -> Unusable:
        if status in _REFUSED:
            return _Refused(
                f"Asterisk's ARI at {self._where} refuses user {self._settings.username!r}: wrong user name or password"
            )
        if status == NOT_FOUND:
            return Unusable(f"there is no ARI at {self._where}: Asterisk has not started it, or it is not enabled")
        return Unusable(f"Asterisk's ARI at {self._where} refuses the connection with status {status}")


class _Refused(Unusable):
    """Trying again would not help."""


def _message(body: str | bytes) -> str:
    """Asterisk's own words from an error's body."""
    try:
        words = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return "without a word"
    return str(words.get("message") or words.get("error") or "without a word")
