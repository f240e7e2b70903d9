"""Whether the books can be true: every payment is what its lines make of it, and no line is missing, moved or made up.

Law: it believes nothing that it can work out anew. It changes nothing, and names each fault once, in one sentence.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ivr.domain.errors import Illegal
from ivr.payments.state import Entry, EntryKind, Payment, State, apply

PERSON: Final = "person"
"""Who decided, in the detail `by` of a line that a person wrote; `who` and `reason` stand beside it."""

_STANDING: Final = ("state", "reason", "code", "reference", "receipt", "created_at", "changed_at", "for_people")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong. `kind` is a name for programs, `about` a payment's or an invoice's id, or empty."""

    kind: str
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line with its place in the book. An `entry` of None: its kind or its details cannot be read."""

    number: int
    payment_id: str
    entry: Entry | None


@dataclass(slots=True)
class Audit:
    """What was looked at and what was found. Sums are rial of the payments that stand so, by state."""

    payments: int = 0
    entries: int = 0
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys((state.value for state in State), 0))
    findings: list[Finding] = field(default_factory=list)


def identity(payment: Payment) -> dict[str, str]:
    """What the line that begins a payment says of it."""
    known = {"provider": payment.provider, "invoice_id": payment.invoice_id}
    if payment.amount_rial is not None:
        known["amount_rial"] = str(payment.amount_rial)
    return known if payment.payer is None else {**known, "payer": payment.payer}


def audit(payments: Iterable[tuple[int, Payment]], entries: Iterable[Numbered]) -> Audit:
    """Look through all payments and all lines, both with their numbers, in the order of these."""
    done = Audit()
    book = _Book(done)
    for number, payment in payments:
        book.has(number, payment)
    for line in entries:
        book.reads(line)
    book.ends()
    return done


class _Book:
    """The payments as the lines make them, line by line."""

    def __init__(self, done: Audit) -> None:
        self._done = done
        self._next: dict[str, int] = {"payment": 1, "entry": 1}
        self._stands: dict[str, Payment] = {}
        self._made: dict[str, Payment] = {}
        self._last: dict[str, float] = {}
        self._sums: dict[State, int] = defaultdict(int)
        """What the states say; what the lines say is worked out at the end."""
        self._amounts: dict[str, int] = {}
        self._tries: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._broken: set[str] = set()
        """Payments whose lines make nothing: what follows of them is no news."""

    def has(self, number: int, payment: Payment) -> None:
        """A payment as it is said to stand."""
        self._done.payments += 1
        self._count("payment", number)
        self._stands[payment.id] = payment
        self._sums[payment.state] += payment.amount_rial or 0

    def reads(self, line: Numbered) -> None:
        """The next line."""
        self._done.entries += 1
        self._count("entry", line.number)
        where = f"entry {line.number}"
        if line.payment_id not in self._stands:
            self._find(
                "entry_of_nothing", line.payment_id, f"{where} is of payment {line.payment_id}, which is not there"
            )
        elif line.entry is None:
            self._breaks("entry_unreadable", line.payment_id, f"{where} of payment {line.payment_id} cannot be read")
        elif line.payment_id not in self._broken:
            self._applies(where, line.entry)

    def ends(self) -> None:
        """Compare what the lines made with what is said."""
        for name, stands in self._stands.items():
            made = self._made.get(name)
            if made is None:
                if name not in self._broken:
                    self._find("payment_without_entries", name, f"payment {name} has no entries")
            elif name not in self._broken:
                self._compare(made, stands)
        for (provider, invoice_id), names in self._tries.items():
            approved = [name for name in names if self._made[name].state is State.APPROVED]
            if len(approved) > 1:
                self._find(
                    "two_approvals", invoice_id, f"invoice {invoice_id} of {provider} is approved by {_and(approved)}"
                )
        made_sums: dict[State, int] = defaultdict(int)
        for name, made in self._made.items():
            made_sums[made.state] += self._amounts[name]
        for state in State:
            if (said := self._sums[state]) != (is_ := made_sums[state]):
                self._find(
                    "sums_differ", "", f"the entries make {is_} rial {state.value}, the payments' states {said} rial"
                )
            self._done.sums[state.value] = made_sums[state]

    def _applies(self, where: str, entry: Entry) -> None:
        name = entry.payment_id
        if (before := self._made.get(name)) is None:
            if entry.kind is not EntryKind.CREATED:
                self._breaks("illegal_entry", name, f"{where}: payment {name} begins with {entry.kind.value}")
                return
            stands = self._stands[name]
            self._made[name] = _born(stands, entry)
            self._amounts[name] = _rial(entry.details)
            self._same(entry.details, stands)
            self._tries[stands.provider, stands.invoice_id].append(name)
        else:
            if entry.at < self._last[name]:
                self._find("time_goes_back", name, f"{where} of payment {name} is older than the one before it")
            try:
                self._made[name] = apply(before, entry)
            except Illegal as exc:
                self._breaks("illegal_entry", name, f"{where}: {exc}")
                return
            if entry.kind is EntryKind.SENT:
                self._sent(where, before)
            if entry.details.get("by") == PERSON and not (entry.details.get("who") and entry.details.get("reason")):
                self._find("unsigned", name, f"{where} of payment {name} is a decision without who or why")
        self._last[name] = entry.at

    def _same(self, born: Mapping[str, str], stands: Payment) -> None:
        now = identity(stands)
        for name in sorted(born.keys() | now.keys()):
            if (was := born.get(name)) != (is_ := now.get(name)):
                self._find(
                    "payment_changed",
                    stands.id,
                    f"payment {stands.id} was created with {name} {_shown(was)}, it stands with {_shown(is_)}",
                )

    def _sent(self, where: str, payment: Payment) -> None:
        rivals = [
            other
            for other in self._tries[payment.provider, payment.invoice_id]
            if other != payment.id and self._made[other].state in (State.SENT, State.APPROVED)
        ]
        if rivals:
            self._find(
                "sent_beside_another", payment.id, f"{where}: payment {payment.id} was sent beside {_and(rivals)}"
            )

    def _compare(self, made: Payment, stands: Payment) -> None:
        for name in _STANDING:
            if (is_ := _shown(getattr(made, name))) != (said := _shown(getattr(stands, name))):
                self._find(
                    "payment_differs",
                    stands.id,
                    f"payment {stands.id}: its entries make its {name} {is_}, it stands as {said}",
                )

    def _count(self, what: str, found: int) -> None:
        first, self._next[what] = self._next[what], found + 1
        if found < first:
            self._find("out_of_order", "", f"{what} {found} comes after {what} {first - 1}")
        elif found - first == 1:
            self._find(f"{what}_missing", "", f"{what} {first} is missing")
        elif found > first:
            self._find(f"{what}_missing", "", f"{what} {first} to {found - 1} are missing")

    def _breaks(self, kind: str, name: str, text: str) -> None:
        self._broken.add(name)
        self._find(kind, name, text)

    def _find(self, kind: str, about: str, text: str) -> None:
        self._done.findings.append(Finding(kind, about, text))


def _born(stands: Payment, entry: Entry) -> Payment:
    """The payment before its second line."""
    return replace(
        stands,
        state=State.CREATED,
        reason=None,
        code=None,
        reference=None,
        receipt=None,
        created_at=entry.at,
        changed_at=entry.at,
        for_people=False,
    )


def _rial(details: Mapping[str, str]) -> int:
    text = details.get("amount_rial", "")
    return int(text) if text.isdecimal() and text.isascii() else 0


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return value.value if isinstance(value, State) else str(value)


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)
