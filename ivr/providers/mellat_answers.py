"""What an answer of Behpardakht Mellat's telephone gateway proves.

Law: paid is `status` 1 with a reference and nothing that speaks against it; declined is `status` 0 with a code of the
table that proves it; everything else is unknown and keeps its code.

The document leaves open how an error arrives that is none of the twenty codes. What the gateway turns away at the door
(HTTP 401, 403 or 422) has met no bank: `give_up`. Any other such answer to a payment is unknown.
"""

from typing import Final

from ivr.domain.digits import is_digits
from ivr.domain.errors import OutcomeUnknown
from ivr.domain.operations import UNKNOWN, Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Reply
from ivr.providers import wire
from ivr.providers.mellat_codes import (
    ANOTHER_CARD,
    APPROVED,
    APPROVED_UNREADABLE,
    DECLINES,
    GATEWAY_REFUSED,
    GIVE_UP,
)
from ivr.runtime.http_client import HttpAnswer

_TURNED_AWAY: Final = frozenset({401, 403, 422})


def of_otp(answer: HttpAnswer, card: Secret) -> Reply:
    """The answer to a request for a password: `ok`, `another_card` or `give_up`. Raises OutcomeUnknown."""
    document = wire.read(answer)
    code = wire.scalar(_said(document, "transactionstatus"))
    errors = ([code] if code and code != "0" else []) + wire.error_codes(document)
    if wire.is_one(document.get("status")):
        if errors or answer.status >= 400:
            raise OutcomeUnknown("the answer says both yes and no")
        return Reply("ok")
    if answer.status >= 400:
        errors.append(f"http_{answer.status}")
    if not errors:
        raise OutcomeUnknown("the answer says neither yes nor no")
    known = next((DECLINES[error] for error in errors if error in DECLINES), None)
    if known is None:
        return _turned_away(_kept(errors[0], card), None)
    exit_name = ANOTHER_CARD if known.exit == ANOTHER_CARD else GIVE_UP
    return Reply(exit_name, {"reason": known.reason, "code": known.code}, code=known.code)


def of_payment(answer: HttpAnswer, card: Secret, otp: Secret) -> Reply:
    """The answer to a payment, its outcome set. Raises OutcomeUnknown for one that cannot be read at all."""
    document = wire.read(answer)
    status = wire.scalar(document.get("status"))
    errors = wire.error_codes({**document, "status": 1})  # those that stand beside the status
    said, code = _said(document, "refid"), wire.scalar(_said(document, "transactionstatus"))
    bare = _bare(document.get("data"))
    reference = wire.reference(bare if said is None and status == "1" else said)
    code = bare if code is None and status == "0" else code
    code = None if code in ("", "0") else code
    kept = _kept(code or (errors[0] if errors else f"http_{answer.status}"), card, otp)
    if status == "1":
        doubted = code or errors or answer.status >= 400 or reference in (card.reveal(), otp.reveal())
        if reference is None or doubted:
            return Reply(UNKNOWN, {}, Outcome.UNKNOWN, code=kept)
        if not is_digits(reference):
            return Reply(APPROVED_UNREADABLE, {}, Outcome.APPROVED, code="1", reference=reference)
        return Reply(APPROVED, {"reference": reference}, Outcome.APPROVED, code="1", reference=reference)
    if reference is None and status == "0" and code and code in DECLINES and DECLINES[code].exit != UNKNOWN:
        return _declined(code, code)
    if reference is None and code is None and answer.status in _TURNED_AWAY:
        return _turned_away(kept, Outcome.DECLINED)
    return Reply(UNKNOWN, {}, Outcome.UNKNOWN, code=kept)


def not_asked(code: str) -> Reply:
    """A decline that is certain without asking the bank; it has no code of the bank's."""
    return _declined(code, None)


def _declined(code: str, came: str | None) -> Reply:
    decline = DECLINES[code]
    return Reply(decline.exit, {"reason": decline.reason, "code": came or ""}, Outcome.DECLINED, code=came)


def _turned_away(code: str, outcome: Outcome | None) -> Reply:
    return Reply(GIVE_UP, {"reason": GATEWAY_REFUSED, "code": code}, outcome, code=code)


def _said(document: wire.Document, name: str) -> object:
    """The value of a key in any case, wherever the answer holds it. Raises OutcomeUnknown when it says two things."""
    found = [value for record in wire.records(document) for key, value in record.items() if key.casefold() == name]
    texts = {wire.scalar(value) for value in found if value is not None}
    if len(texts) > 1 or None in texts:
        raise OutcomeUnknown("the answer holds two values for one key, or one that cannot be read")
    return next(iter(texts), None)


def _bare(data: object) -> str | None:
    """`data` itself where it is a text or a number, or a list of one."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return wire.scalar(data)


def _kept(code: str, *secrets: Secret) -> str:
    """The code as it may be written down: an answer that repeats what it was sent must not bring it into the books."""
    return wire.UNREADABLE if _echoes(code, *secrets) else wire.safe_code(code)


def _echoes(text: str, *secrets: Secret) -> bool:
    return any(secret.reveal() in text for secret in secrets)
