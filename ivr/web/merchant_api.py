"""The merchants' HTTP API: `/api/invoices…`, `/api/events…`, `/api/registrations…`, its OpenAPI and its page.

Law: routes read, ask the desk, and answer; what may be done is decided there. Imported only where it is served: what is
imported here takes half a second.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any, Final

import fastapi_offline
from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from ivr.payments.registrations import Registrations
from ivr.payments.state import State
from ivr.runtime.merchant_desk import MerchantDesk
from ivr.runtime.merchant_views import Refusal, Why, event_body, registration_body
from ivr.runtime.merchants import Known, Merchant
from ivr.web.merchant_guard import WHO, Guard
from ivr.web.merchant_problems import CONTENT_TYPE, STATUSES, Fault, Problem, closing, faults, problem
from ivr.web.merchant_shapes import (
    KNOWN,
    After,
    CreateInvoice,
    Event,
    Events,
    IdempotencyKey,
    Invoice,
    Limit,
    OtpAnswer,
    Pay,
    PayLink,
    Payment,
    Registration,
    RegistrationList,
    Replay,
    Replayed,
    RequestOtp,
)

PREFIX: Final = "/api"
USUAL_EVENTS: Final = 100

_ABOUT: Final = (
    "Invoices that callers pay by telephone, cards charged by panel, links to a pay page, what became of payments, and "
    "what callers registered. Amounts are whole rial."
)
_WHAT: Final = {
    400: "The body did not come whole.",
    401: "The key is missing or wrong.",
    403: "The key may not do this, or the provider is not yours.",
    404: "There is no such invoice of yours.",
    408: "The body did not come in time.",
    409: "It cannot be done as things stand; `type` says why.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A field is wrong, or the Idempotency-Key was used for another request.",
    429: "Too many requests; see Retry-After.",
    500: "A fault in the program.",
    502: "No whole answer came from the provider.",
    503: "Too many at once, the service is being restarted, or the provider or the books cannot be reached.",
}
_ALWAYS: Final = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503)

Replayer = Callable[[str, int], Awaitable[int]]
"""(merchant, after) -> how many events are delivered again."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What callers have registered, and how it is delivered again."""

    books: Registrations
    replay: Replayer


def merchant_guard(
    desk: MerchantDesk,
    merchants: Mapping[str, Merchant],
    replay: Replayer,
    clock: Callable[[], float],
    registered: Registered,
) -> Guard:
    """What is served at `PREFIX`. `clock` gives seconds that never go back."""
    return Guard(merchant_app(desk, replay, registered), merchants, clock, is_closing=lambda: desk.closing)


def merchant_app(desk: MerchantDesk, replay: Replayer, registered: Registered) -> FastAPI:
    """The application behind the guard."""
    app = FastAPI(title="ivr", version="1", description=_ABOUT, docs_url=None, redoc_url=None, redirect_slashes=False)
    _add_problems(app)
    _add_invoices(app, desk)
    _add_payments(app, desk)
    _add_events(app, desk, replay)
    _add_registrations(app, registered)
    _add_documentation(app)
    return app


class Scoped:
    """Who asks, whose key may do this."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    async def __call__(self, request: Request, _: Annotated[object, Depends(HTTPBearer(auto_error=False))]) -> Merchant:
        known: Known = getattr(request.state, WHO)
        if self._scope not in known.key.scopes:
            raise HTTPException(403, f"this key has no scope {self._scope}")
        return known.merchant


Creates = Annotated[Merchant, Depends(Scoped("invoices.create"))]
Reads = Annotated[Merchant, Depends(Scoped("invoices.read"))]
Pays = Annotated[Merchant, Depends(Scoped("payments.make"))]
Hears = Annotated[Merchant, Depends(Scoped("events.read"))]
Registers = Annotated[Merchant, Depends(Scoped("registrations.read"))]
Key = Annotated[IdempotencyKey, Header(alias="Idempotency-Key", description="Yours; the same for the same request.")]


def _add_invoices(app: FastAPI, desk: MerchantDesk) -> None:
    @app.post("/invoices", status_code=201, responses=_may(409, 502), summary="Make an invoice")
    async def create_invoice(who: Creates, body: CreateInvoice, key: Key, response: Response) -> Invoice:
        """Once for each Idempotency-Key: the same request again gets the same answer."""
        if body.provider not in who.providers:
            raise Refusal(Why.NOT_YOURS, "this provider is not one of yours")
        customer = {
            "customer_name": "".join(c if c.isprintable() else " " for c in body.customer.name).strip(),
            "email": body.customer.email,
            "phone": body.customer.phone,
        }
        made = await desk.create(who.name, key, body.provider, body.amount_rial, body.order_id, customer)
        response.headers["Location"] = f"{PREFIX}/invoices/{made.id}"
        return Invoice.model_validate(made)

    @app.get("/invoices/{invoice_id}", responses=_may(404), summary="How an invoice stands")
    async def find_invoice(who: Reads, invoice_id: str) -> Invoice:
        """With every try to pay it, oldest first."""
        return Invoice.model_validate(await desk.find(who.name, invoice_id))


def _add_payments(app: FastAPI, desk: MerchantDesk) -> None:
    @app.post("/invoices/{invoice_id}/otp", responses=_may(404, 409), summary="Have a one-time password sent")
    async def request_otp(who: Pays, invoice_id: str, body: RequestOtp) -> OtpAnswer:
        """Each request is an SMS to the card's holder, and ends the password before."""
        return OtpAnswer.model_validate(await desk.request_otp(who.name, invoice_id, body.card))

    @app.post("/invoices/{invoice_id}/pay", responses=_may(404, 409), summary="Charge a card")
    async def pay(who: Pays, invoice_id: str, body: Pay, key: Key) -> Payment:
        """Once for each Idempotency-Key: the same key again says how that payment stands, and sends nothing."""
        view = await desk.pay(who.name, key, invoice_id, body.card, body.otp, body.phone)
        payment = Payment.model_validate(view)
        if payment.state == State.SENT.value:
            payment.state = "unknown"
        return payment

    @app.post("/invoices/{invoice_id}/link", responses=_may(404, 409, 502), summary="A link to a pay page")
    async def link(who: Pays, invoice_id: str) -> PayLink:
        """The same one for as long as its payment is open."""
        return PayLink(url=await desk.link(who.name, invoice_id))


def _add_events(app: FastAPI, desk: MerchantDesk, replay: Replayer) -> None:
    @app.get("/events", responses=_may(), summary="What became of payments")
    async def events(
        who: Hears, after: Annotated[After, Query()] = 0, limit: Annotated[Limit, Query()] = USUAL_EVENTS
    ) -> Events:
        """Every event with a larger id, oldest first; also those that your webhook has."""
        found = [Event.model_validate(event_body(one)) for one in await desk.events(who.name, after, limit)]
        return Events(events=found, after=found[-1].id if found else after)

    @app.post("/events/replay", status_code=202, responses=_may(409), summary="Deliver events again")
    async def replay_events(who: Hears, body: Replay) -> Replayed:
        """To your webhook, with the same ids."""
        if who.webhook is None:
            raise Refusal(Why.NOT_POSSIBLE, "you have no webhook")
        return Replayed(events=await replay(who.name, body.after))


def _add_registrations(app: FastAPI, registered: Registered) -> None:
    @app.get("/registrations", responses=_may(), summary="What callers registered")
    async def registrations(
        who: Registers, after: Annotated[After, Query()] = 0, limit: Annotated[Limit, Query()] = USUAL_EVENTS
    ) -> RegistrationList:
        """Under your words, every one with a larger id, oldest first; also those that your webhook has."""
        found = await registered.books.under(who.registrations, after, limit)
        shown = [Registration.model_validate(registration_body(one)) for one in found]
        return RegistrationList(registrations=shown, after=shown[-1].id if shown else after)

    @app.post("/registrations/replay", status_code=202, responses=_may(409), summary="Deliver registrations again")
    async def replay_registrations(who: Registers, body: Replay) -> Replayed:
        """To your webhook, with the same ids."""
        if who.webhook is None:
            raise Refusal(Why.NOT_POSSIBLE, "you have no webhook")
        return Replayed(events=await registered.replay(who.name, body.after))


def _add_documentation(app: FastAPI) -> None:
    assets = StaticFiles(directory=str(resources.files(fastapi_offline) / "static"))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",  # relative: whatever stands before us
            title=app.title,
            swagger_js_url="docs/assets/swagger-ui-bundle.js",
            swagger_css_url="docs/assets/swagger-ui.css",
            swagger_favicon_url="docs/assets/favicon.png",
            swagger_ui_parameters={"validatorUrl": None},  # it would ask somebody outside
        )

    app.mount("/docs/assets", assets)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
            schema["servers"] = [{"url": PREFIX}]
            reference = "#/components/schemas/{model}"
            for model in (Problem, Fault):
                made = model.model_json_schema(ref_template=reference)
                made.pop("$defs", None)
                schema["components"]["schemas"][model.__name__] = made
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _may(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a request may end besides well."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _WHAT[status], "content": content} for status in sorted({*_ALWAYS, *statuses})}


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> Response:
        return problem(422, "invalid", "a field is missing or wrong", errors=faults(exc.errors(), KNOWN))

    @app.exception_handler(HTTPException)
    async def http(_: Request, exc: HTTPException) -> Response:
        if exc.status_code == 400:  # bytes that are no text, or nested too deeply: FastAPI's word for it
            return problem(422, "invalid", "the body is not JSON")
        kinds = {403: "forbidden", 404: "not_found", 405: "method_not_allowed"}
        headers = dict(exc.headers) if exc.headers else None
        return problem(exc.status_code, kinds.get(exc.status_code, "invalid"), str(exc.detail), headers=headers)

    @app.exception_handler(Refusal)
    async def refused(_: Request, exc: Refusal) -> Response:
        if exc.why is Why.CLOSING:
            return closing()
        status = STATUSES[exc.why]
        headers = {"Retry-After": "1"} if exc.why in (Why.IN_PROGRESS, Why.UNREACHABLE, Why.SILENT) else None
        return problem(status, exc.why.value, str(exc), headers=headers)
