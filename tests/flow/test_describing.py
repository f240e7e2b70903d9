"""What a step is, told to people: every shipped kind in its own words, any other by what can be seen of it."""

from dataclasses import dataclass

import pytest

from ivr.domain.speech import Prompt
from ivr.flow.describing import describe
from ivr.flow.events import Event
from ivr.flow.loader import KINDS
from ivr.flow.saying import Saying
from ivr.flow.visit import Visit
from tests.flow.world import SHIPPED, shipped


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_steps(name: str) -> None:
    """The word is one that admins write."""
    for step in shipped(name).steps.values():
        assert describe(step.kind).kind in KINDS


def test_what_is_awaited() -> None:
    """The keys that lead on, in words."""
    steps = shipped("pay_invoice").steps
    asked = describe(steps["ask_invoice"].kind)
    assert asked.awaits == "4 to 12 digits, kept as invoice_id; # finishes; * cancels" and not asked.secret
    assert describe(steps["read_amount"].kind).awaits == "one of * 1 2"
    assert describe(shipped("bank_ivr").steps["ask_pin"].kind).secret
    assert describe(steps["end"].kind).ends


@dataclass(frozen=True, slots=True)
class TakeAMessageStep:
    """A kind without a word about itself."""

    greeting: Saying
    secret: bool

    def enter(self, visit: Visit) -> None: ...

    def on(self, visit: Visit, event: Event) -> None: ...

    def resume(self, visit: Visit, leg: int | None) -> None: ...


def test_a_kind_that_does_not_describe_itself() -> None:
    """Its class, what it says, and whether it is secret."""
    described = describe(TakeAMessageStep(Saying((Prompt("common/goodbye"),)), secret=True))
    assert described.kind == "take_a_message" and described.secret and not described.ends
    assert described.says.parts == (Prompt("common/goodbye"),)
