"""Looks at what is left after a run, from outside, and says what cannot be.

Law: it believes the sandbox's books about money, the file about our journal, and the callers about what they heard.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.lab.chaos.plan import Plan, Rival
from ivr.lab.chaos.scenarios import CARD, Books
from ivr.lab.chaos.telephone import WRONG_OTP, Telephone
from ivr.lab.chaos.world import SECRETS
from ivr.store.opening import SESSIONS_FILE, open_reading

Finding = tuple[str, str]
"""A name for programs, and a sentence."""

_CLAIMS_PAID: Final = frozenset({"pay/paid", "invoice/already_paid", "order/already_paid", "bill/already_paid"})
_LAST_WORDS: Final = frozenset(
    {
        *("card/nothing_charged", "card/too_many", "otp/no_more", "bill/refused", "bill/not_accepted"),
        *("order/refused", "order/not_received"),
    }
)
"""Say that nothing was charged, and end a call: not even later may money be taken for it."""
_BUGS: Final = frozenset({"flow_fault", "snapshot_unreadable", "entry_refused", "provider_not_asked", "call_too_long"})
"""Lines of the log that no cut and no provider may lead to, besides those of something that `broke`."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left after a run."""

    plan: Plan
    directory: Path
    books: Books
    otps: Sequence[str]
    telephone: Telephone
    payments: Sequence[dict[str, Any]]
    """Our journal, oldest first, each payment with its entries."""

    @property
    def charges(self) -> int:
        """How often the sandbox took money."""
        return self.plan.scenario.charges(self.books)

    def standing(self, state: str) -> list[dict[str, Any]]:
        """Our payments that stand so."""
        return [payment for payment in self.payments if payment["state"] == state]


def read(plan: Plan, directory: Path, books: Books, otps: Sequence[str], telephone: Telephone) -> Left:
    """Read the journal beside everything else."""
    with open_reading(directory) as book:
        return Left(plan, directory, books, otps, telephone, book.list_payments(limit=1000)[::-1])


def judge(left: Left) -> list[Finding]:
    """Everything that cannot be."""
    found = [*left.telephone.findings, *_money(left), *_words(left), *_ends(left)]
    with open_reading(left.directory) as book:
        found += [("audit", finding.text) for finding in book.audit().findings]
    return [*found, *_secrets(left), *_log(left.directory)]


def _money(left: Left) -> Iterator[Finding]:
    scenario, charges = left.plan.scenario, left.charges
    approved, unknown = left.standing("approved"), left.standing("unknown")
    if charges > 1:
        yield "two_charges", f"the sandbox took money {charges} times"
    if len(approved) > max(charges, 1):
        yield "two_approvals", f"{len(approved)} payments are approved"
    if approved and not charges:
        yield "approved_without_charge", f"{approved[0]['id']} is approved, and nothing was taken"
    for_people = any(payment["for_people"] for payment in unknown)
    if charges and not approved and (scenario.inquiry or not for_people):
        stand = ", ".join(f"{payment['id']} {payment['state']}" for payment in left.payments) or "nothing"
        yield "charge_not_approved", f"money was taken, and our journal has: {stand}"
    if any(payment["amount_rial"] != scenario.amount for payment in approved):
        yield "amount", "an approved payment is of another amount"
    yield from _arrivals(left)


def _arrivals(left: Left) -> Iterator[Finding]:
    """What arrived was written down as sent before, and never as unsent; and nothing was sent while in doubt."""
    lines = Counter(entry["kind"] for payment in left.payments for entry in payment["entries"])
    sent, unsent = lines["sent"], lines["unsent"]
    begun, arrived = left.telephone.legs, left.telephone.answered_legs
    charge = left.plan.scenario.charge
    if charge is not None:
        requests = [line for line in left.books["requests"] if line["operation"] == charge]
        begun = arrived = len(requests)
        # one that was declined in clear words moved nothing
        doubtful = sum(line["fault"] is not None or line["result"] == "ok" for line in requests)
        if doubtful > 1 + lines["declined"]:
            yield "sent_in_doubt", f"{doubtful} charges may have moved money, and {lines['declined']} were declined"
    if begun > sent:
        yield "sent_unwritten", f"a charge arrived {begun} times, and the journal has {sent} lines 'sent'"
    elif arrived > sent - unsent:
        yield "arrived_unsent", f"a charge arrived {arrived} times, and {unsent} of {sent} are written as unsent"


def _words(left: Left) -> Iterator[Finding]:
    for caller in left.telephone.callers.values():
        heard = set(caller.heard)
        if heard & _CLAIMS_PAID and not left.charges:
            yield "paid_without_charge", f"{caller.info.call_id} hears 'paid', and nothing was taken"
        if heard & _CLAIMS_PAID and left.plan.scenario.provider != "paystar" and not left.standing("approved"):
            yield "paid_without_line", f"{caller.info.call_id} hears 'paid', and the journal never says so"
        if heard & _LAST_WORDS and left.charges and left.plan.rival is Rival.NONE:
            yield "charged_unheard", f"{caller.info.call_id} hears that nothing was taken, and it was"


def _ends(left: Left) -> Iterator[Finding]:
    for payment in left.payments:
        if payment["state"] == "sent" or (payment["state"] == "unknown" and not payment["for_people"]):
            yield "nobody_s", f"{payment['id']} is {payment['state']}, and nobody looks after it"
    with sqlite3.connect(left.directory / SESSIONS_FILE) as sessions:
        [count] = sessions.execute("SELECT count(*) FROM sessions").fetchone()
    sessions.close()
    if count:
        yield "snapshot_left", f"{count} snapshots are left of calls that are over"


def _secrets(left: Left) -> Iterator[Finding]:
    secrets = [*SECRETS, CARD.pan.reveal(), CARD.pin.reveal(), WRONG_OTP, *left.otps]
    files = {path.name: path.read_bytes() for path in left.directory.iterdir() if path.is_file()}
    files["story"] = "\n".join(left.telephone.story).encode()
    for name, content in files.items():
        if any(secret.encode() in content for secret in secrets):
            yield "secret", f"{name} holds a card number, a password or a credential"


def _log(directory: Path) -> Iterator[Finding]:
    for line in (directory / "log").read_text(encoding="utf-8").splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            yield "log", line[:300]
            return
        event = said.get("event", "")
        if event in _BUGS or event.endswith("_broke") or "exception" in said:
            yield "log", line[:600]
