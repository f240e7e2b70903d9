"""The payer at the sandbox's iNoti: the SMS with the link, paying or cancelling, and the call to the merchant after.

Law: the merchant is called once for each payment that was paid in a USSD session, and never for a cancelled one; only
a fault makes it twice, late, with another RRN, or not at all. What the merchant answers to it interests nobody.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from ivr.sandbox.desk import Desk
from ivr.sandbox.faults import FaultKind
from ivr.sandbox.inoti_books import InotiBooks, UssdPayment
from ivr.sandbox.sms import Outbox
from ivr.sandbox.ussd_merchant import Merchant, Silent

OPERATION: Final = "ussd_callback"


class InotiPayer:
    """What happens around a payment. `base` is the address of iNoti's pages."""

    def __init__(
        self,
        books: InotiBooks,
        outbox: Outbox,
        desk: Desk,
        merchant: Merchant,
        now: Callable[[], float],
        base: Callable[[], str],
    ) -> None:
        self.books = books
        self._outbox = outbox
        self._desk = desk
        self._merchant = merchant
        self._now = now
        self._base = base
        self._calling: set[asyncio.Task[None]] = set()

    def ask_for(
        self, session: str, number: str, price: int, factor: str, *, dialled: str = "", page: str = ""
    ) -> UssdPayment:
        """Send the payer a link. With a merchant's `page`, that is called once it is paid."""
        payment = self.books.ask_for(session, number, price, factor, dialled=dialled, page=page)
        self._outbox.send(self._now(), number, factor, self.link_text(payment))
        return payment

    def link(self, payment: UssdPayment) -> str:
        """The address of its pay page."""
        return f"{self._base()}/pay/{payment.token}"

    def link_text(self, payment: UssdPayment) -> str:
        """The SMS that asks for money."""
        return f"پرداخت {payment.price:,} ریال: {self.link(payment)}"

    def pay(self, payment: UssdPayment) -> None:
        """The payer paid; again, or after cancelling, changes nothing."""
        if not self.books.pay(payment):
            return
        text = f"پرداخت {payment.price:,} ریال با موفقیت انجام شد. شناسهٔ رهگیری: {payment.rrn}"
        self._outbox.send(self._now(), payment.mobile, payment.our_factor, text)
        if payment.page:
            task = asyncio.get_running_loop().create_task(self._call_back(payment))
            self._calling.add(task)
            task.add_done_callback(self._calling.discard)

    async def called_back(self) -> None:
        """Wait until every merchant that is to be called has been."""
        await asyncio.gather(*self._calling)

    async def close(self) -> None:
        """Whoever has not been called yet is not."""
        calling = list(self._calling)
        for task in calling:
            task.cancel()
        await asyncio.gather(*calling, return_exceptions=True)

    async def _call_back(self, payment: UssdPayment) -> None:
        brings = callback(self.books, payment)
        fault = self._desk.faults.take(OPERATION, {**brings, "YourFactorID": payment.our_factor})
        kind = None if fault is None else fault.kind
        if fault is not None and kind is FaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        if kind is FaultKind.WRONG_RRN:
            brings["RRN"] = str(payment.rrn + 1)
        for _ in range(2 if kind is FaultKind.DUPLICATE_CALLBACK else 1):
            line = self._desk.diary.write(self._now(), OPERATION, brings, kind.value if kind else None)
            if kind is FaultKind.NO_CALLBACK:
                line.result = "never"
                return
            answer = await self._merchant.ask(payment.page, brings)
            line.result = answer.why if isinstance(answer, Silent) else f"http_{answer.status}"


def callback(books: InotiBooks, payment: UssdPayment) -> dict[str, str]:
    """What the merchant is called with: the string dialled, then both factor ids, and the RRN."""
    dialled = payment.dialled or books.account.code_name.removesuffix("#")
    return {
        "mobile": payment.mobile,
        "sessionid": payment.session,
        "call": f"{dialled}*{payment.our_factor}*{payment.their_factor}",
        "RRN": str(payment.rrn),
    }
