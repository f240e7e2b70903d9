"""The audit: what it calls wrong, and that it is silent about books that are right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.errors import Illegal
from ivr.payments.audit import PERSON, Audit, Numbered, audit, identity
from ivr.payments.state import Entry, EntryKind, Payment, State, apply


@dataclass
class Books:
    """Payments and lines as somebody has written them, rightly or not."""

    payments: list[tuple[int, Payment]] = field(default_factory=list)
    lines: list[Numbered] = field(default_factory=list)
    now: float = 1.0

    def new(self, name: str, invoice: str = "i", amount: int | None = 1000) -> None:
        """A payment and the line that begins it."""
        payment = Payment(name, "c", "bank", invoice, None, amount, State.CREATED, created_at=1.0, changed_at=1.0)
        self.payments.append((len(self.payments) + 1, payment))
        self.line(name, EntryKind.CREATED, identity(payment))

    def line(self, name: str, kind: EntryKind, details: Mapping[str, str] | None = None) -> None:
        """A line, whatever the table thinks of it."""
        self.lines.append(Numbered(len(self.lines) + 1, name, Entry(name, kind, self.now, details or {})))

    def say(self, name: str, kind: EntryKind, **details: str) -> None:
        """A line and what it makes of the payment. Raises Illegal."""
        place, (number, payment) = next((i, row) for i, row in enumerate(self.payments) if row[1].id == name)
        self.payments[place] = number, apply(payment, Entry(name, kind, self.now, details))
        self.line(name, kind, details)

    def audit(self) -> Audit:
        return audit(self.payments, self.lines)

    def faults(self) -> list[str]:
        return [finding.text for finding in self.audit().findings]


def paid(*names: str, invoice: str = "i") -> Books:
    books = Books()
    for name in names:
        books.new(name, invoice)
        books.say(name, EntryKind.SENT)
        books.say(name, EntryKind.APPROVED, reference="77")
    return books


def test_books_that_are_right() -> None:
    """Nothing is found, and the sums are those of the states."""
    books = paid("p1")
    books.new("p2", "other", None)
    books.new("p3", "third", 500)
    books.say("p3", EntryKind.SENT)
    books.say("p3", EntryKind.UNANSWERED, reason="timeout")
    books.say("p3", EntryKind.HANDED_OVER, tries="11")
    books.say("p3", EntryKind.DECLINED, by=PERSON, who="maryam", reason="not in the list")
    books.say("p3", EntryKind.CONTRADICTED, says="approved")
    done = books.audit()
    assert (done.findings, done.payments, done.entries) == ([], 3, 10)
    assert done.sums == {"created": 0, "sent": 0, "approved": 1000, "declined": 500, "unknown": 0}


def test_nothing_at_all_is_right() -> None:
    """The first day."""
    assert Books().faults() == []


def test_two_approvals() -> None:
    """Somebody was charged twice, or somebody has written so."""
    books = paid("p1", "p2")
    assert books.faults() == [
        "entry 5: payment p2 was sent beside p1",
        "invoice i of bank is approved by p1 and p2",
    ]


def test_an_unsigned_decision() -> None:
    """A person's decision has a name and a reason."""
    books = Books()
    books.new("p1")
    books.say("p1", EntryKind.SENT)
    books.say("p1", EntryKind.UNANSWERED)
    books.say("p1", EntryKind.DECLINED, by=PERSON, who="maryam")
    assert books.faults() == ["entry 4 of payment p1 is a decision without who or why"]


def test_lines_that_cannot_be() -> None:
    """Each is said once; what follows from it is not repeated."""
    books = paid("p1")
    books.line("p1", EntryKind.DECLINED)
    books.line("p1", EntryKind.SENT)
    books.line("nobody", EntryKind.SENT)
    books.lines.append(Numbered(7, "p1", None))
    assert books.faults() == [
        "entry 4: payment p1 is approved: it cannot become declined",
        "entry 6 is of payment nobody, which is not there",
        "entry 7 of payment p1 cannot be read",
    ]


def test_a_payment_that_does_not_begin() -> None:
    """Its first line is missing."""
    books = paid("p1")
    del books.lines[0]
    assert books.faults() == [
        "entry 1 is missing",
        "entry 2: payment p1 begins with sent",
        "the entries make 0 rial approved, the payments' states 1000 rial",
    ]
    books = paid("p1")
    books.lines.clear()
    assert books.faults() == [
        "payment p1 has no entries",
        "the entries make 0 rial approved, the payments' states 1000 rial",
    ]


def test_numbers_that_are_not_in_a_row() -> None:
    """Lines and payments are counted without a gap."""
    books = paid("p1")
    payment = books.payments[0][1]
    books.payments[0] = 4, payment
    books.lines[2], books.lines[1] = books.lines[1], books.lines[2]
    faults = books.faults()
    assert faults[0] == "payment 1 to 3 are missing"
    assert faults[1:3] == ["entry 2 is missing", "entry 3: payment p1 is created: it cannot become approved"]
    assert faults[3] == "entry 2 comes after entry 3"


def test_time_goes_on() -> None:
    """A line that was moved to an earlier day."""
    books = paid("p1")
    books.now = 0.5
    books.say("p1", EntryKind.CONTRADICTED)
    assert books.faults() == ["entry 4 of payment p1 is older than the one before it"]


def test_an_amount_that_is_none() -> None:
    """A line that begins a payment with nonsense for an amount."""
    books = Books()
    books.new("p1")
    books.lines[0] = Numbered(1, "p1", Entry("p1", EntryKind.CREATED, 1.0, {"amount_rial": "lots"}))
    assert books.faults() == [
        "payment p1 was created with amount_rial lots, it stands with 1000",
        "payment p1 was created with invoice_id nothing, it stands with i",
        "payment p1 was created with provider nothing, it stands with bank",
        "the entries make 0 rial created, the payments' states 1000 rial",
    ]


_STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(EntryKind)), max_size=60)


@given(_STEPS)
def test_whatever_the_table_allows_is_right(steps: Sequence[tuple[int, EntryKind]]) -> None:
    """Four payments of four invoices, any lines in any order: what was written by the rules is never called wrong."""
    books = Books()
    for number in range(4):
        books.new(f"p{number}", f"i{number}", number * 1000 or None)
    for number, kind in steps:
        books.now += 1
        try:
            books.say(f"p{number}", kind, reason=kind.value)
        except Illegal:
            continue
    done = books.audit()
    assert done.findings == []
    assert sum(done.sums.values()) == 6000


@given(_STEPS, st.data())
def test_a_line_that_is_taken_away_is_always_missed(
    steps: Sequence[tuple[int, EntryKind]], data: st.DataObject
) -> None:
    """Any line but a remark at the very end: something is said, whichever it was."""
    books = Books()
    for number in range(4):
        books.new(f"p{number}", f"i{number}", 1000)
    for number, kind in steps:
        books.now += 1
        try:
            books.say(f"p{number}", kind)
        except Illegal:
            continue
    taken = data.draw(st.integers(0, len(books.lines) - 1))
    last = books.lines[taken].entry
    del books.lines[taken]
    at_the_end = taken == len(books.lines)
    remark = last is not None and last.kind in (EntryKind.CONTRADICTED, EntryKind.HANDED_OVER)
    assert books.faults() or (at_the_end and remark)
