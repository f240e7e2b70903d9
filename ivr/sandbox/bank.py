"""The client that the bank's IVR of the sandbox settles with.

Law: card and PIN leave only inside one request to the sandbox's bank. A settlement that got no clear answer is
OutcomeUnknown and is never sent again; `inquire` says APPROVED when the bank has the money, and UNKNOWN otherwise, for
a late request may still arrive.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput, IvrError, OutcomeUnknown, Unusable
from ivr.domain.operations import Argument, Kind, Operation, Outcome, Role
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.payments.port import Reply, Value
from ivr.payments.state import Payment
from ivr.runtime.asking import Asked, Observe, checked
from ivr.runtime.configured import Base, ProviderSettings, read_http
from ivr.runtime.http_client import HttpAnswer, HttpClient, HttpSettings

NAME: Final = "sandbox_bank"

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "settle": Operation(
            "settle",
            {
                "merchant_id": Argument(Kind.DIGITS, most=20),
                "transaction_id": Argument(Kind.DIGITS, most=20),
                "amount": Argument(Kind.AMOUNT),
                "card": Argument(Kind.SECRET, most=19),
                "pin": Argument(Kind.SECRET, most=12),
            },
            {"reference": Kind.DIGITS},
            frozenset({"approved", "declined", "wrong_card", "wrong_pin", "duplicate"}),
            Role.CHARGE,
            with_results=frozenset({"approved", "duplicate"}),
            inquiry="inquire",
        )
    }
)

_OUTCOMES: Final = {
    "approved": Outcome.APPROVED,
    "duplicate": Outcome.APPROVED,  # this very transaction was settled before, once
    "declined": Outcome.DECLINED,
    "wrong_card": Outcome.DECLINED,
    "wrong_pin": Outcome.DECLINED,
}


class _Said(msgspec.Struct):
    result: str
    reference: str | None = None
    reason: str | None = None


class SandboxBank:
    """The sandbox's bank; fulfils `ivr.payments.port.Provider`."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(self, http: HttpSettings, observe: Observe | None = None) -> None:
        self._http = HttpClient(http)
        self._observe = observe

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Settle. Raises ProviderUnreachable, OutcomeUnknown; BadInput for arguments that nothing was sent for."""
        if operation not in OPERATIONS:
            raise BadInput(f"{NAME} has no operation {operation}")
        with Asked(NAME, operation, self._observe) as note:
            reply = await self._settle(checked(OPERATIONS[operation], arguments), note)
            note.result = reply.exit
            return reply

    async def inquire(self, payment: Payment) -> Reply:
        """Whether the payment's transaction was settled: APPROVED with its reference, or UNKNOWN."""
        with Asked(NAME, "inquire", self._observe) as note:
            said = await self._post("/bank/inquire", {"transaction_id": payment.transaction_id or ""}, note)
            if said.result == "approved" and said.reference:
                note.result = "approved"
                return Reply("approved", {"reference": said.reference}, Outcome.APPROVED, said.result, said.reference)
            note.result = "none"
            return Reply("unknown", {}, Outcome.UNKNOWN, code=said.result)

    async def check(self) -> None:
        """Any answer will do. Raises Unusable."""
        try:
            await self._http.request("HEAD", "/")
            return
        except IvrError as error:
            problem = str(error)
        raise Unusable(f"{NAME} does not answer ({problem})")

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _settle(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        card, pin = _keyed(arguments["card"]), _keyed(arguments["pin"])
        if not is_digits(card):
            return Reply("wrong_card", {}, Outcome.DECLINED)
        if not is_digits(pin):
            return Reply("wrong_pin", {}, Outcome.DECLINED)
        body = {
            "merchant_id": arguments["merchant_id"],
            "transaction_id": arguments["transaction_id"],
            "amount": arguments["amount"],
            "pan": card,
            "pin": pin,
        }
        said = await self._post("/bank/settle", body, note)
        outcome = _OUTCOMES.get(said.result)
        if outcome is None or (outcome is Outcome.APPROVED and not is_digits(said.reference or "")):
            raise OutcomeUnknown("the bank's answer is none of those it has")
        values = {"reference": said.reference} if said.reference else {}
        return Reply(said.result, values, outcome, code=said.reason or said.result, reference=said.reference)

    async def _post(self, path: str, body: Mapping[str, object], note: Asked) -> _Said:
        answer: HttpAnswer = await self._http.request("POST", path, json=body)
        note.http_status = answer.status
        if answer.status == 200:
            try:
                said = msgspec.json.decode(answer.body, type=_Said)
                return _Said(said.result, to_ascii(said.reference) if said.reference else None, said.reason)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
        raise OutcomeUnknown(f"the bank's answer cannot be read (HTTP {answer.status})")


def _keyed(value: Value) -> str:
    return to_ascii(value.reveal()) if isinstance(value, Secret) else ""


def read_settings(fields: Fields, name: str, base: Base) -> ProviderSettings:
    """`kind: sandbox_bank` of the configuration."""
    http = read_http(fields, base)
    return ProviderSettings(OPERATIONS, lambda observe: SandboxBank(http, observe))
