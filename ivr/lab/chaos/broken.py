"""Four ways to lose money, on purpose: who finds nothing wrong with them proves nothing.

Law: nothing but a trial that asks for one by name is ever broken.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable
from ivr.domain.operations import Operation, Role
from ivr.flow.commands import PaymentOrder
from ivr.payments.port import Provider, Reply, Value
from ivr.payments.state import Payment
from ivr.runtime.cashier import Cashier, Go
from ivr.store.opening import Store

SLOW: Final = 0.03
"""Seconds by which a line is written too late."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What can be broken."""

    providers: Mapping[str, Provider]
    cashier: Cashier


class _WritesLater(Cashier):
    """Sends first, and writes it down when it has time."""

    _later: set[asyncio.Task[object]]

    async def before_sending(self, order: PaymentOrder, call_id: str) -> Go:
        self._later = {asyncio.create_task(self._write_down(order, call_id))}
        return Go.SEND

    async def _write_down(self, order: PaymentOrder, call_id: str) -> None:
        await asyncio.sleep(SLOW)
        await super().before_sending(order, call_id)


class _SaysFirst(Cashier):
    """Lets the caller hear an answer that nobody has written down."""

    _later: set[asyncio.Task[object]]

    async def answered(self, payment_id: str, reply: Reply) -> bool:
        self._later = {asyncio.create_task(self._write_down(payment_id, reply))}
        return True

    async def _write_down(self, payment_id: str, reply: Reply) -> None:
        await asyncio.sleep(SLOW)
        await super().answered(payment_id, reply)


class _Wrapped:
    """A provider that behaves."""

    def __init__(self, inner: Provider) -> None:
        self._inner = inner

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._inner.operations

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        return await self._inner.ask(operation, arguments)

    async def inquire(self, payment: Payment) -> Reply:
        return await self._inner.inquire(payment)

    async def check(self) -> None:
        await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()


class _AsksAgain(_Wrapped):
    """Sends what moves money once more when no answer came."""

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        try:
            return await super().ask(operation, arguments)
        except OutcomeUnknown:
            if self.operations[operation].role is not Role.CHARGE:
                raise
            return await super().ask(operation, arguments)


class _TakesSilenceForDistance(_Wrapped):
    """Says of what moves money that it never left, when only its answer did not come."""

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        try:
            return await super().ask(operation, arguments)
        except OutcomeUnknown:
            if self.operations[operation].role is not Role.CHARGE:
                raise
            raise ProviderUnreachable("no answer") from None


def _write_later(parts: Parts, store: Store, clock: Callable[[], float]) -> Parts:
    return replace(parts, cashier=_WritesLater(store.journal, store.invoices, clock))


def _say_first(parts: Parts, store: Store, clock: Callable[[], float]) -> Parts:
    return replace(parts, cashier=_SaysFirst(store.journal, store.invoices, clock))


def _ask_again(parts: Parts, store: Store, clock: Callable[[], float]) -> Parts:
    return replace(parts, providers={name: _AsksAgain(one) for name, one in parts.providers.items()})


def _take_for_unsent(parts: Parts, store: Store, clock: Callable[[], float]) -> Parts:
    return replace(parts, providers={name: _TakesSilenceForDistance(one) for name, one in parts.providers.items()})


BREAKS: Final[Mapping[str, Callable[[Parts, Store, Callable[[], float]], Parts]]] = {
    "sent_after_sending": _write_later,
    "charge_sent_again": _ask_again,
    "paid_before_written": _say_first,
    "unanswered_taken_for_unsent": _take_for_unsent,
}
"""By name."""
