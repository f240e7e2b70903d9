"""What merchants' programs can have done: invoices made, cards charged by panel, links for payers, events read.

Laws:
- A request with an idempotency key is written down before anybody is asked, and carried out once. What was begun and
  not ended, because the process died, is ended by the next request with the same key.
- A payment's id comes from the merchant and the key, and stands in the journal as sent before anything leaves. The same
  key then only says how it stands.
- A merchant sees its own invoices and nothing else.
- Work that moves money goes on when the client hangs up, and is waited for when the process ends. From the moment that
  it is told to end, nothing is begun.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog

from ivr.domain.errors import BadInput, Illegal, OutcomeUnknown, Unusable
from ivr.domain.secret import Secret
from ivr.flow.commands import AskProvider, PaymentOrder
from ivr.payments.invoice import Invoice
from ivr.payments.merchant_port import (
    Begun,
    Different,
    Ended,
    Held,
    Link,
    MerchantBooks,
    MerchantEvent,
    MerchantInvoice,
    Ticket,
)
from ivr.payments.port import Invoices, Journal, Provider, Value
from ivr.payments.state import UNDECIDED, Payment, State
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.invoicing import CREATE, NotMade, ask_for_invoice, is_made_there, own_invoice
from ivr.runtime.merchant_views import (
    Explain,
    InvoiceView,
    OtpView,
    PaymentView,
    Refusal,
    Why,
    invoice_view,
    payment_view,
)
from ivr.runtime.questions import ask_provider

PANEL: Final = "pay_by_panel"
OTP: Final = "request_otp"
PAY_URL: Final = "pay_url"
LAST_WORDS: Final = 25.0
"""Seconds that a process that ends gives to payments under way: longer than a provider is waited for."""
LINK_OPEN: Final = "waiting_for_payer"
"""The reason of a payment by link about which nothing is known yet."""

_STATES: Final = {"next": "open", "being_paid": "being_paid", "already_paid": "paid", "unresolved": "unknown"}
_IN_THE_WAY: Final = {
    "being_paid": (Why.BEING_PAID, "another payment of this invoice is under way"),
    "already_paid": (Why.ALREADY_PAID, "this invoice is paid"),
    "unresolved": (Why.UNRESOLVED, "nobody knows yet what became of an earlier payment of this invoice"),
}

T = TypeVar("T")

_log = structlog.get_logger("ivr.merchants")


class MerchantDesk:
    """One for the process. `explain` says why a payment was declined; `nudge` has a payment asked about soon."""

    def __init__(
        self,
        books: MerchantBooks,
        journal: Journal,
        invoices: Invoices,
        cashier: Cashier,
        providers: Mapping[str, Provider],
        explain: Explain,
        nudge: Callable[[str, str], None],
    ) -> None:
        self._books = books
        self._journal = journal
        self._invoices = invoices
        self._cashier = cashier
        self._providers = providers
        self._explain = explain
        self._nudge = nudge
        self.closing = False
        """Whether `refuse` was called."""
        self._live: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def is_live(self, payment_id: str) -> bool:
        """Whether an answer about this payment is being waited for here."""
        return payment_id in self._live

    def refuse(self) -> None:
        """Begin nothing any more: every further request gets a Refusal."""
        self.closing = True

    async def close(self) -> None:
        """Let what is under way be written down, in `LAST_WORDS` at most."""
        self.refuse()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                while self._tasks:
                    await asyncio.wait(list(self._tasks))

    # -- invoices -----------------------------------------------------------------------------------------------------

    async def create(
        self, merchant: str, key: str, provider: str, amount: int, order: str, customer: Mapping[str, str]
    ) -> InvoiceView:
        """Have an invoice made, once. Raises Refusal. `customer`: customer_name, email, phone; not in the digest."""
        digest = _digest({"provider": provider, "amount": amount, "order": order})
        ticket = Ticket(merchant, "invoices", key, digest, f"inv_{secrets.token_hex(16)}")
        return await self._see_through(self._create(ticket, provider, amount, order, customer))

    async def _create(
        self, ticket: Ticket, provider: str, amount: int, order: str, customer: Mapping[str, str]
    ) -> InvoiceView:
        answer = await self._begin(ticket)
        if isinstance(answer, Ended):
            return invoice_view(await self._own(ticket.merchant, answer.subject), "open")

        async def remember(invoice: Invoice) -> None:
            await self._books.keep_invoice(ticket, MerchantInvoice(answer.subject, ticket.merchant, invoice))

        try:
            client = self._providers[provider]
            if is_made_there(client.operations):
                await _asked(ask_for_invoice(provider, client, amount, order, customer, remember))
            else:
                await own_invoice(provider, self._invoices, amount, order, remember)
        except BaseException:
            await self._books.release(ticket)
            raise
        return invoice_view(await self._own(ticket.merchant, answer.subject), "open")

    async def find(self, merchant: str, invoice_id: str) -> InvoiceView:
        """An invoice and its payments. Raises Refusal when it is not this merchant's."""
        made = await self._own(merchant, invoice_id)
        number = (made.invoice.provider, made.invoice.tracking_code)
        said, payments = await asyncio.gather(
            self._cashier.check_invoice(*number, None), self._journal.for_invoice(*number)
        )
        return invoice_view(made, _STATES[said], tuple(payment_view(one, self._explain) for one in payments))

    # -- a card, by panel ---------------------------------------------------------------------------------------------

    async def request_otp(self, merchant: str, invoice_id: str, card: Secret) -> OtpView:
        """Have a one-time password sent to the card's holder: another one each time. Raises Refusal."""
        return await self._see_through(self._request_otp(merchant, invoice_id, card))

    async def _request_otp(self, merchant: str, invoice_id: str, card: Secret) -> OtpView:
        made = await self._payable(merchant, invoice_id, OTP)
        invoice = made.invoice
        arguments: dict[str, Value] = {"amount": invoice.amount_rial, "card": card, "order_id": invoice.tracking_code}
        try:
            reply = await _asked(self._providers[invoice.provider].ask(OTP, arguments))
        except Refusal as refusal:
            if refusal.why is not Why.SILENT:
                raise
            return OtpView("unknown", None, None, None)  # an SMS may be on its way
        if reply.exit == "ok":
            return OtpView("sent", None, None, None)
        words = self._explain(reply.exit, reply.code)
        return OtpView("declined", words.reason, reply.code, {"fa": words.fa, "en": words.en})

    async def pay(self, merchant: str, key: str, invoice_id: str, card: Secret, otp: Secret, phone: str) -> PaymentView:
        """Charge a card, once; the same key again says how that stands. Raises Refusal.

        Card, password and phone are no part of the digest: from a plain one everybody could find them by trying, and a
        key to it would have to lie beside it to outlive the process. So another card with the same key changes nothing.
        """
        digest = _digest({"invoice": invoice_id})
        ticket = Ticket(merchant, "payments", key, digest, _payment_id(merchant, key))
        return await self._see_through(self._pay(ticket, invoice_id, card, otp, phone))

    async def _pay(self, ticket: Ticket, invoice_id: str, card: Secret, otp: Secret, phone: str) -> PaymentView:
        made = await self._own(ticket.merchant, invoice_id)
        answer = await self._begin(ticket)
        payment_id = answer.subject
        try:
            if isinstance(answer, Begun) and not _was_sent(await self._journal.get(payment_id)):
                await self._payable(ticket.merchant, invoice_id, PANEL)
                await self._charge(made.invoice, payment_id, ticket.merchant, card, otp, phone)
            payment = await self._journal.get(payment_id)
            if payment is None or not _was_sent(payment):
                await self._payable(ticket.merchant, invoice_id, PANEL)
                raise Refusal(Why.UNREACHABLE, "the provider could not be reached: nothing was sent")
        except BaseException:
            await self._books.release(ticket)
            raise
        await self._books.end(ticket)
        return payment_view(payment, self._explain)

    async def _charge(
        self, invoice: Invoice, payment_id: str, merchant: str, card: Secret, otp: Secret, phone: str
    ) -> None:
        order = PaymentOrder(payment_id, invoice.provider, invoice.tracking_code, None, invoice.amount_rial)
        arguments: dict[str, Value] = {
            "card": card,
            "otp": otp,
            "invoice_id": invoice.tracking_code,
            "caller": phone,
        }
        question = AskProvider(0, invoice.provider, PANEL, arguments, payment=order)
        self._live.add(payment_id)  # before it stands as sent, or the reconciler would take it for lost
        decided = False
        try:
            _, decided = await ask_provider(question, f"api:{merchant}", self._cashier, self._providers)
        finally:
            self._live.discard(payment_id)
            if not decided:
                self._nudge(payment_id, "no answer")

    # -- a link for a browser -----------------------------------------------------------------------------------------

    async def link(self, merchant: str, invoice_id: str) -> str:
        """Where the payer pays; the same address for as long as that payment is open. Raises Refusal."""
        return await self._see_through(self._link(merchant, invoice_id))

    async def _link(self, merchant: str, invoice_id: str) -> str:
        made = await self._own(merchant, invoice_id)
        create = self._providers[made.invoice.provider].operations.get(CREATE)
        if create is None or PAY_URL not in create.results:
            raise Refusal(Why.NOT_POSSIBLE, "this invoice's provider has no pay page")
        ticket = Ticket(merchant, "links", invoice_id, "", invoice_id)
        await self._begin(ticket)
        try:
            link = await self._books.link(invoice_id)
            payment = await self._journal.get(link.payment_id) if link is not None else None
            if link is not None and payment is not None and payment.state in UNDECIDED:
                return link.url
            await self._payable(merchant, invoice_id, CREATE)
            if link is None or (payment is not None and payment.state is not State.CREATED):
                link = await self._new_link(made)
            return await self._open(made, link)
        finally:
            await self._books.release(ticket)

    async def _new_link(self, made: MerchantInvoice) -> Link:
        invoice = made.invoice
        arguments: dict[str, Value] = {"amount": invoice.amount_rial, "order_id": invoice.order_id}
        reply = await _asked(self._providers[invoice.provider].ask(CREATE, arguments))
        if reply.exit != "ok":
            raise Refusal(Why.REFUSED, f"the provider refuses ({reply.exit}, its code: {reply.code})")
        key = str(reply.values["tracking_code"])
        # First: a payment whose address nobody knows could be opened by nobody, and would stand in the way.
        link = Link(made.id, f"link-{hashlib.sha256(key.encode()).hexdigest()[:32]}", key, str(reply.values[PAY_URL]))
        await self._books.keep_link(link)
        return link

    async def _open(self, made: MerchantInvoice, link: Link) -> str:
        invoice = made.invoice
        order = PaymentOrder(
            link.payment_id, invoice.provider, invoice.tracking_code, link.transaction_id, invoice.amount_rial
        )
        if await self._cashier.before_handing_out(order, f"api:{made.merchant}") is Go.REFUSED:
            raise Refusal(*_IN_THE_WAY["being_paid"])
        self._nudge(link.payment_id, LINK_OPEN)
        return link.url

    # -- events -------------------------------------------------------------------------------------------------------

    def events(self, merchant: str, after: int, limit: int) -> Awaitable[Sequence[MerchantEvent]]:
        """Those with a larger id, oldest first."""
        return self._books.events(merchant, after, limit)

    # -- what they share ----------------------------------------------------------------------------------------------

    async def _own(self, merchant: str, invoice_id: str) -> MerchantInvoice:
        made = await self._books.invoice_of(merchant, invoice_id)
        if made is None or made.invoice.provider not in self._providers:
            raise Refusal(Why.NOT_FOUND, "there is no such invoice")
        return made

    async def _payable(self, merchant: str, invoice_id: str, operation: str) -> MerchantInvoice:
        made = await self._own(merchant, invoice_id)
        if operation not in self._providers[made.invoice.provider].operations:
            raise Refusal(Why.NOT_POSSIBLE, "this invoice's provider takes no cards here")
        said = await self._cashier.check_invoice(made.invoice.provider, made.invoice.tracking_code, None)
        if said != "next":
            raise Refusal(*_IN_THE_WAY[said])
        return made

    async def _begin(self, ticket: Ticket) -> Begun | Ended:
        answer = await self._books.begin(ticket)
        if isinstance(answer, Held):
            raise Refusal(Why.IN_PROGRESS, "the same request is being carried out just now: ask again soon")
        if isinstance(answer, Different):
            raise Refusal(Why.KEY_REUSED, "this Idempotency-Key was used for another request")
        return answer

    async def _see_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Whoever asked may stop waiting; the work does not stop. Raises Refusal while the process ends."""
        if self.closing:
            work.close()
            raise Refusal(Why.CLOSING, "the service is being restarted: ask again")
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None and not isinstance(exc, Refusal):
            _log.error("merchant_request_failed", error=type(exc).__name__)


async def _asked(question: Awaitable[T]) -> T:
    """A provider's answer. Raises Refusal for whatever keeps us from one."""
    try:
        return await question
    except NotMade as exc:
        raise Refusal(Why.REFUSED, f"the provider refuses to make the invoice (its code: {exc.code})") from None
    except BadInput as exc:
        raise Refusal(Why.REFUSED, f"the provider cannot be asked so: {exc}") from None
    except OutcomeUnknown:
        raise Refusal(Why.SILENT, "no whole answer came from the provider") from None
    except Illegal:
        raise Refusal(Why.SILENT, "the provider's answer is about another invoice") from None
    except Unusable as exc:
        if type(exc) is Unusable:
            raise  # our own books
        raise Refusal(Why.UNREACHABLE, "the provider could not be reached: nothing was sent") from None


def _was_sent(payment: Payment | None) -> bool:
    return payment is not None and payment.state is not State.CREATED


def _payment_id(merchant: str, key: str) -> str:
    """Made of both, and says neither."""
    return f"api-{hashlib.sha256(f'{merchant} {key}'.encode()).hexdigest()[:32]}"


def _digest(body: Mapping[str, object]) -> str:
    """Only of what may stand in the books: there are so few phone numbers that one is found by trying them all."""
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
