"""Our AMI client: one connection kept alive, and actions that travel over it.

Law: `on_connected` is called before the first event of each connection, and `on_gap` whenever a connection was lost:
events may be missing from then on, so whoever keeps a state asks for it anew at `on_connected`. An action is sent
once: one of a lost connection is never sent again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from ivr.asterisk.ami.actions import Action
from ivr.asterisk.ami.connection import AmiReply, Connection, Done, NotAmi
from ivr.asterisk.ami.errors import AmiDisconnected, AmiError, AmiUnsent
from ivr.asterisk.ami.events import AmiEvent
from ivr.asterisk.ari.errors import place
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import AmiSettings
from ivr.domain.errors import Unusable

log = structlog.get_logger()


class AmiClient:
    """One account at one Asterisk. Callbacks are plain functions, called in the order of the events."""

    def __init__(
        self,
        settings: AmiSettings,
        *,
        on_event: Callable[[AmiEvent], None],
        on_connected: Callable[[], None],
        on_gap: Callable[[], None],
        timing: Timing = Timing(),  # noqa: B008 -- frozen
    ) -> None:
        self.connects = 0
        """How many connections there have been."""
        self._settings = settings
        self._timing = timing
        self._where = f"{settings.host}:{settings.port}"
        self._on_event = on_event
        self._on_connected = on_connected
        self._on_gap = on_gap
        self._connection: Connection | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether events come in now."""
        return self._connected.is_set()

    async def start(self) -> None:
        """Connect; from then on stay connected until `close()`.

        Raises Unusable, saying what and where: at once for a wrong secret, after `timing.start` seconds when Asterisk
        cannot be reached.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timing.start
        for pause in self._timing.pauses():
            try:
                connection = await self._connect()
                break
            except _Refused:
                raise
            except Unusable as exc:
                if loop.time() + pause >= deadline:
                    raise
                log.warning("ami_not_connected_yet", where=self._where, reason=str(exc))
            await asyncio.sleep(pause)
        self._keeper = asyncio.create_task(self._stay_connected(connection), name="ami-keeper")

    async def wait_connected(self, timeout: float) -> None:
        """Return once there is a connection. Raises AmiDisconnected when there is none in `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        except TimeoutError:
            raise AmiDisconnected(f"no connection to Asterisk's manager at {self._where}") from None

    async def send(self, action: Action) -> AmiReply:
        """Asterisk's yes, with what it listed.

        Raises BadInput for what must not be sent, AmiError when Asterisk refuses, AmiUnsent when nothing left, and
        AmiDisconnected when nobody can say whether it was carried out. Events that come right behind the reply are
        handed on before the caller goes on; where their order matters, `post` it.
        """
        if self._connection is None:
            raise AmiUnsent(f"no connection to Asterisk's manager at {self._where}")
        return await self._connection.send(action, self._timing.request)

    def post(self, action: Action, done: Done) -> None:
        """Send it and go on; `done` is told, in the order of the events, what became of it. Raises BadInput."""
        if self._connection is None:
            done(AmiUnsent(f"no connection to Asterisk's manager at {self._where}"))
        else:
            self._connection.post(action, self._timing.request, done)

    async def action(self, name: str, fields: Mapping[str, str]) -> AmiReply:
        """The same as `send`, for an action that `actions.py` does not know."""
        return await self.send(Action(name, fields))

    async def close(self) -> None:
        """End the connection; calls and recordings go on in Asterisk."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        self._disconnect()

    async def _stay_connected(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        pauses = self._timing.pauses()
        while True:
            connected_at = loop.time()
            await connection.ended.wait()
            self._disconnect()
            log.warning("ami_connection_lost", where=self._where)
            self._call(self._on_gap)
            if loop.time() - connected_at >= self._timing.steady_after:
                pauses = self._timing.pauses()
            while True:
                await asyncio.sleep(next(pauses))
                try:
                    connection = await self._connect()
                    break
                except Unusable as exc:
                    log.warning("ami_not_reconnected", where=self._where, reason=str(exc))

    async def _connect(self) -> Connection:
        """A connection that is ready. Raises Unusable; nothing is left behind then."""
        settings, where = self._settings, f"Asterisk's manager at {self._where}"
        connection = Connection(self._on_event, self._on_ready)
        ready = False
        try:
            await connection.open(
                settings.host, settings.port, settings.username, settings.secret.reveal(), self._timing
            )
            ready = True
        except AmiError:
            raise _Refused(f"{where} refuses user {settings.username!r}: wrong user name or secret") from None
        except NotAmi:
            raise Unusable(f"who listens at {self._where} is not Asterisk's manager") from None
        except AmiDisconnected:
            raise Unusable(f"{where} closed the connection before it was ready") from None
        except TimeoutError:
            raise Unusable(f"{where} does not answer, or has not finished starting") from None
        except OSError as exc:
            raise Unusable(f"{where} cannot be reached: {type(exc).__name__}") from None
        finally:
            if not ready:
                connection.drop()
                if self._connection is connection:  # it became ready in the moment in which we gave it up
                    self._disconnect()
                    self._call(self._on_gap)
        return connection

    def _on_ready(self, connection: Connection) -> None:
        self._connection = connection
        self.connects += 1
        log.info("ami_connected", where=self._where)
        self._connected.set()
        self._call(self._on_connected)

    def _disconnect(self) -> None:
        self._connected.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    def _call(self, handler: Callable[[], None]) -> None:
        try:
            handler()
        except Exception as exc:  # noqa: BLE001 -- a handler's bug must not end the connection's care
            log.error("ami_handler_failed", where=place(exc))


class _Refused(Unusable):
    """Trying again would not help."""
