"""What a step is, told to people: every shipped kind in its own words, any other by what can be seen of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from ivr.domain.speech import Prompt
from ivr.flow.describing import describe
from ivr.flow.events import Event
from ivr.flow.loader import KINDS, load_dialplan
from ivr.flow.saying import Saying
from ivr.flow.visit import Visit
from tests.flow.world import SHIPPED, shipped, world


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


EVERY_KIND: Final = """flow: all
first: a
on_failure: sorry
steps:
  a:
    language: {prompt: [{language: fa, prompt: language/choose_fa}], keys: {"1": fa, "2": en}}
    next: b
    exits: {silence: b, invalid: b}
  b: {set: {kind: sale, fee: {amount: 5, unit: toman}}, next: c}
  c:
    ask: {prompt: pay/is, form: amount, unit: toman, min: 5, max: 900, save: x, twice: true}
    next: d
    exits: {silence: sorry, invalid: sorry, mismatch: sorry}
  d: {confirm: {prompt: [pay/is, {amount: x}], no: "*"}, next: e, exits: {no: sorry, silence: sorry, invalid: sorry}}
  e: {record: {prompt: pay/is, save: message}, next: f, exits: {silence: f, failed: f}}
  f: {notify: {to: shop, event: paid, with: {message: message}}, next: g}
  g: {call: {flow: inner}, exits: {got: end, none: sorry}}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
INNER: Final = """flow: inner
first: card
on_failure: none
steps:
  card:
    ask: {prompt: pay/is, form: card, save: card}
    next: shape
    exits: {silence: none, invalid: none}
  shape:
    ask: {prompt: pay/is, pattern: [09XX, 08XXX], save: shape}
    next: got
    exits: {silence: none, invalid: none}
  got: {return: got}
  none: {return: none}
"""


def test_every_kind_in_words(tmp_path: Path) -> None:
    """What a step is about, and what is awaited; steps of a called flow as well."""
    (tmp_path / "inner.yaml").write_text(INNER, "utf-8")
    (tmp_path / "all.yaml").write_text(EVERY_KIND, "utf-8")
    flow = load_dialplan(tmp_path / "all.yaml", world(), verified=False).flows["all"]
    told = {name: describe(step.kind) for name, step in flow.steps.items()}
    assert {name: (one.kind, one.about, one.awaits) for name, one in told.items() if name not in ("sorry", "end")} == {
        "a": ("language", "", "1 fa; 2 en"),
        "b": ("set", "kind, fee", ""),
        "c": ("ask", "", "an amount of 5 to 900 toman, 1 to 3 digits, kept as x; keyed twice; # finishes"),
        "d": ("confirm", "", "1 yes; * no"),
        "e": ("record", "up to 60 s", "a message, kept as message; 4 s of silence ends it; # finishes"),
        "f": ("notify", "paid to shop", ""),
        "g": ("call", "flow inner", ""),
        "g/card": ("ask", "", "a card number, 16 digits, kept as card; # finishes"),
        "g/shape": ("ask", "", "like 09XX or 08XXX, 4 to 5 digits, kept as shape; # finishes"),
        "g/got": ("return", "got", ""),
        "g/none": ("return", "none", ""),
    }
    assert told["g/card"].secret and all(told[name].says.parts for name in ("a", "c", "d", "e"))
