"""Closes a provider's door right before somebody goes through it: what is asked then cannot leave.

Law: the door is closed when the question is asked, and open again when it is answered, as often as the plan says and
however many processes it takes.
"""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ivr.domain.operations import Operation
from ivr.payments.port import Provider, Reply, Value
from ivr.payments.state import Payment
from ivr.sandbox.faults import PLACES, Fault, FaultKind

TIMEOUT: Final = 10.0
"""Seconds that the sandbox may take on a busy machine."""
GLANCE: Final = 0.002
"""Seconds between two looks whether a door is open."""
SETTLE: Final = 0.01
"""Seconds after which a client has seen that its connections are gone."""

INQUIRE: Final = "inquire"
_THROUGH: Final[Mapping[str, Mapping[str, str]]] = {
    "paystar": {
        "create_transaction": "create_transaction",
        "create_order_transaction": "create_transaction",
        "result": "result",
        INQUIRE: "result",
    },
    "mellat": {"request_otp": "bpm_otp", "pay": "bpm_pay", "pay_by_panel": "bpm_pay"},
    "pod": {
        "pay_bill": "pod_pay_bill",
        "issue_invoice": "pod_issue_invoice",
        "payment_link": "pod_payment_link",
        "bill_status": "pod_list",
        INQUIRE: "pod_list",
    },
    "web": {"create_invoice": "web_request", "check": "web_check", INQUIRE: "web_check"},
}
"""What the sandbox calls the operations of our providers."""


class Doors:
    """Those of one run. `faults`: the refusals of its plan; `directory` keeps count of those that happened."""

    def __init__(self, faults: Sequence[Fault], directory: Path, urls: Mapping[str, str]) -> None:
        self._faults = faults
        self._directory = directory
        self._urls = urls
        self.over = False
        """Nothing is refused any more."""
        self.closed = 0
        """So many are closed now."""

    def before(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        """The same providers behind them."""
        if not self._faults:
            return providers
        return {name: _Behind(one, _THROUGH[name], self) for name, one in providers.items()}

    async def close(self, operation: str | None) -> Fault | None:
        """Close the door that this operation of the sandbox is behind, if it is to be refused now."""
        for number, fault in enumerate(self._faults):
            if fault.operation != operation or self.over:
                continue
            with (self._directory / f"refused{number}").open("ab") as happened:
                if happened.tell() >= fault.times:
                    continue
                happened.write(b"x")
            self.closed += 1
            self._refuse(operation, fault.seconds)
            await asyncio.sleep(SETTLE)
            return fault
        return None

    def open(self, fault: Fault) -> None:
        """Open it again, and return when somebody can go through: whoever asks next may have no patience."""
        self._refuse(fault.operation, 0.0)
        parts = urlsplit(self._urls[PLACES[fault.operation].provider])
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            try:
                socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT).close()
                break
            except OSError:
                time.sleep(GLANCE)
        self.closed -= 1

    def _refuse(self, operation: str, seconds: float) -> None:
        parts = urlsplit(self._urls["admin"])
        asked = {"operation": operation, "kind": FaultKind.REFUSE.value, "seconds": seconds}
        # not on our event loop: it is no step of the payment
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            connection.request("POST", "/_sandbox/faults", json.dumps(asked), {"Content-Type": "application/json"})
            connection.getresponse().read()
        finally:
            connection.close()


class _Behind:
    """A provider behind a door."""

    def __init__(self, inner: Provider, through: Mapping[str, str], doors: Doors) -> None:
        self._inner, self._through, self._doors = inner, through, doors

    @property
    def operations(self) -> Mapping[str, Operation]:
        return self._inner.operations

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        closed = await self._doors.close(self._through.get(operation))
        try:
            return await self._inner.ask(operation, arguments)
        finally:
            if closed is not None:
                self._doors.open(closed)

    async def inquire(self, payment: Payment) -> Reply:
        closed = await self._doors.close(self._through.get(INQUIRE))
        try:
            return await self._inner.inquire(payment)
        finally:
            if closed is not None:
                self._doors.open(closed)

    async def check(self) -> None:
        await self._inner.check()

    async def close(self) -> None:
        await self._inner.close()
