"""A sandbox of its own for each run: a process with all of its servers, and its desk as a plain client sees it."""

import asyncio
import http.client
import json
import os
import signal
from collections.abc import Mapping
from typing import Any, Final, NoReturn, Self
from urllib.parse import urlencode, urlsplit

from ivr.lab.chaos.scenarios import AMOUNT, CARD, INVOICE, Books
from ivr.sandbox.faults import Fault
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DemoInvoice, SandboxSettings

TIMEOUT: Final = 10.0
"""Seconds that its desk may take on a busy machine."""
OTP_DIGITS: Final = 12
"""Long, so that no other number in a file is a one-time password by chance."""
ROUNDS: Final = 3
"""Questions to the desk after which every request that was there before has been taken."""
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class Sandbox:
    """`with Sandbox(seed) as sandbox`. Made in a process that has no threads and no event loop."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pid = 0
        self.urls: Mapping[str, str] = {}
        """By name of the server."""

    def __enter__(self) -> Self:
        out, into = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(out)
            _be_sandbox(self._seed, into)
        os.close(into)
        with os.fdopen(out, encoding="utf-8") as said:
            self.urls = json.loads(said.readline())
        return self

    def __exit__(self, *exc: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def set_fault(self, fault: Fault) -> None:
        """Let something go wrong."""
        plain = {name: getattr(fault, name) for name in ("operation", "times", "seconds", "status", "commit", "code")}
        self._ask("POST", "admin", "/_sandbox/faults", json.dumps({**plain, "kind": fault.kind.value}))

    def recover(self) -> None:
        """Nothing goes wrong any more, and everything that was sent has been taken."""
        for _ in range(ROUNDS):
            self._ask("DELETE", "admin", "/_sandbox/faults")

    def otp(self) -> str:
        """The one-time password of the last SMS; empty when none was sent."""
        sent = self._ask("GET", "admin", "/_sandbox/sms")["sms"]
        return str(sent[-1]["code"]) if sent else ""

    def otps(self) -> list[str]:
        """Every one-time password that was sent."""
        return [one["code"] for one in self._ask("GET", "admin", "/_sandbox/sms")["sms"]]

    def settle(self, merchant_id: str, transaction_id: str, amount: int) -> str:
        """The caller keys card and PIN at the bank; what the bank says."""
        body = {
            "merchant_id": merchant_id,
            "transaction_id": transaction_id,
            "amount": amount,
            "pan": CARD.pan.reveal(),
            "pin": CARD.pin.reveal(),
        }
        return str(self._ask("POST", "bank", "/bank/settle", json.dumps(body))["result"])

    def press(self, link: str, *, pays: bool) -> None:
        """The payer opens the page and presses a button."""
        parts = urlsplit(link)
        name = next(name for name, url in self.urls.items() if url.endswith(f":{parts.port}"))
        form = {"action": "pay" if pays else "cancel", "pan": CARD.pan.reveal(), "pin": CARD.pin.reveal()}
        if name == "pod":
            form = {"paid": "true" if pays else "false"}
        self._ask("POST", name, f"{parts.path}?{parts.query}" if parts.query else parts.path, urlencode(form), _FORM)

    def books(self) -> Books:
        """Everything that it knows."""
        return {
            "invoices": self._ask("GET", "admin", "/_sandbox/invoices")["invoices"],
            "mellat": self._ask("GET", "admin", "/_sandbox/mellat/payments")["payments"],
            "web": self._ask("GET", "admin", "/_sandbox/web/invoices")["invoices"],
            "pod": self._ask("GET", "admin", "/_sandbox/pod")["bills"],
            "requests": self._ask("GET", "admin", "/_sandbox/requests")["requests"],
        }

    def _ask(
        self, method: str, name: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        parts = urlsplit(self.urls[name])
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, dict(headers or {"Content-Type": "application/json"}))
            said = connection.getresponse().read()
        finally:
            connection.close()
        try:
            return json.loads(said)
        except ValueError:
            return {}


def _be_sandbox(seed: int, into: int) -> NoReturn:
    async def run() -> None:
        settings = SandboxSettings(
            invoices=(DemoInvoice(INVOICE, AMOUNT),), cards=(CARD,), otp_digits=OTP_DIGITS, seed=seed
        )
        async with SandboxServer(settings) as server:
            urls = {
                "paystar": server.paystar_url,
                "bank": server.bank_url,
                "mellat": server.mellat_url,
                "web_gateway": server.web_gateway_url,
                "pod": server.pod_url,
                "admin": server.admin_url,
            }
            os.write(into, json.dumps(urls).encode() + b"\n")
            await asyncio.Event().wait()

    try:
        asyncio.run(run())
    finally:
        os._exit(1)
