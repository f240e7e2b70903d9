"""`GET /ussd/<service>`, as the USSD network calls it; with a secret, `GET /ussd/<secret>/<service>`.

Law: the answer is plain UTF-8 text and nothing else. Who may not ask, and what cannot be read, gets an empty answer and
is counted; nothing of it is kept, shown or logged.
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog
from prometheus_client import Counter, Histogram
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ivr.domain.errors import BadInput, IvrError
from ivr.domain.speech import Prompt
from ivr.flow.model import Dialplan, Service
from ivr.flow.steps.ussd_payment import UssdPaymentStep
from ivr.runtime.bucket import Bucket
from ivr.runtime.observer import LATENCIES, Observer
from ivr.ussd import words
from ivr.ussd.desk import UssdDesk
from ivr.ussd.request import Asked, SaidPaid, read_request
from ivr.ussd.settings import UssdSettings
from ivr.ussd.walk import FAILED

PREFIX: Final = "/ussd"
MOST_NUMBERS: Final = 10_000
"""Mobile numbers whose requests are counted; then the oldest are forgotten."""
OK: Final = 200
_NOTHING: Final = ((b"cache-control", b"no-store"),)
_HEADERS: Final = {
    OK: ((b"content-type", b"text/plain; charset=utf-8"), *_NOTHING),
    405: ((b"allow", b"GET"), *_NOTHING),
}

Settle = Callable[[str, SaidPaid], Awaitable[bool | None]]
"""(provider, what is said) -> whether the provider confirms it; None: no payment of ours is meant."""

_log = structlog.get_logger("ivr.ussd")


class UssdRoutes:
    """What is served of USSD."""

    def __init__(
        self,
        desk: UssdDesk,
        dialplan: Callable[[], Dialplan],
        settings: UssdSettings,
        settle: Settle,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._dialplan = dialplan
        self._settings = settings
        self._settle = settle
        self._clock = clock
        self._under_way = 0
        self._allowances: OrderedDict[str, Bucket] = OrderedDict()
        registry = observer.registry
        self._screens = Counter("ivr_ussd_screens", "USSD requests that were answered", ("service",), registry=registry)
        self._refused = Counter("ivr_ussd_refused", "USSD requests that were not, by why", ("why",), registry=registry)
        self._said_paid = Counter(
            "ivr_ussd_callbacks", "What became of the network's word that somebody paid", ("result",), registry=registry
        )
        self._seconds = Histogram(
            "ivr_ussd_seconds", "Time until a USSD request was answered", buckets=LATENCIES, registry=registry
        )

    @property
    def routes(self) -> list[Route]:
        """To be served."""
        return [Route(f"{PREFIX}/{{path:path}}", self)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI hands it over; its body, if there is one, says nothing."""
        status, text = await self._take(scope)
        body = text.encode()
        headers = [*_HEADERS.get(status, _NOTHING), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _take(self, scope: Scope) -> tuple[int, str]:
        """Status and text of the answer."""
        began = self._clock()
        try:
            service = self._service(scope)
            asked = read_request(scope["query_string"], service.codes)
        except _NotServedError as exc:
            self._refused.labels(exc.why).inc()
            return exc.status, ""
        except BadInput as exc:
            self._refused.labels(str(exc)).inc()
            return 400, ""
        if self._under_way >= self._settings.most_requests or not self._allows(asked.mobile):
            self._refused.labels("busy").inc()
            return OK, self._words(service, words.BUSY)
        self._under_way += 1
        try:
            if isinstance(asked, SaidPaid):
                return OK, await self._said(service, asked)
            return OK, await self._shown(service, asked)
        finally:
            self._under_way -= 1
            self._seconds.observe(self._clock() - began)

    def _service(self, scope: Scope) -> Service:
        """Raises _NotServedError."""
        client = scope.get("client")
        if not self._settings.lets_in(client[0] if client else None):
            raise _NotServedError("address", 404)
        first, _, name = str(scope["path_params"]["path"]).rpartition("/")
        secret = self._settings.secret
        if not hmac.compare_digest(first.encode(), b"" if secret is None else secret.reveal().encode()):
            raise _NotServedError("secret", 404)
        if scope["method"] != "GET":
            raise _NotServedError("method", 405)  # what looks beforehand (HEAD) must not send what users did not
        if (service := self._dialplan().service(name)) is None:
            raise _NotServedError("service", 404)
        return service

    async def _shown(self, service: Service, asked: Asked) -> str:
        try:
            text = await self._desk.answer(service, asked)
        except IvrError as exc:
            _log.error("session_not_kept", error=str(exc))
            self._refused.labels("store").inc()
            return self._words(service, FAILED)
        self._screens.labels(service.name).inc()
        return text

    async def _said(self, service: Service, said: SaidPaid) -> str:
        """Somebody has paid, it is said: whoever sends the links is asked."""
        results = []
        for provider in payment_providers(self._dialplan(), service):
            try:
                results.append(await self._settle(provider, said))
            except IvrError as exc:
                _log.error("callback_not_taken", provider=provider, error=type(exc).__name__)
                results.append(False)
        confirmed = any(results)
        known = any(result is not None for result in results)
        self._said_paid.labels("confirmed" if confirmed else "not_confirmed" if known else "unknown_payment").inc()
        return self._words(service, words.CONFIRMED if confirmed else words.NOT_CONFIRMED)

    def _allows(self, mobile: str) -> bool:
        """Uses up one of the requests that a mobile number may make."""
        most, now = self._settings.most_a_minute, self._clock()
        allowance = self._allowances.pop(mobile, None) or Bucket(most, now)
        while len(self._allowances) >= MOST_NUMBERS:
            self._allowances.popitem(last=False)
        self._allowances[mobile] = allowance
        return allowance.take(most, most / 60, now)

    def _words(self, service: Service, prompt: Prompt) -> str:
        return words.text(self._dialplan().screens, prompt, service.language)


class _NotServedError(Exception):
    """Who asks gets nothing; `why` in a word, for the count."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.why = why
        self.status = status


def payment_providers(dialplan: Dialplan, service: Service) -> Collection[str]:
    """Who sends payment links to users of this service."""
    steps = (step.kind for step in dialplan.flows[service.flow].steps.values())
    orders = (kind.asking.payment for kind in steps if isinstance(kind, UssdPaymentStep))
    return dict.fromkeys(order.provider for order in orders if order is not None)
