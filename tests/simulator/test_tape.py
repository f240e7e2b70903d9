"""A played call becomes a file that goes the same way again, and holds no secret."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.domain.card import is_card_number
from ivr.domain.errors import BadInput
from ivr.flow.model import Flow
from ivr.simulator.call import Call
from ivr.simulator.game import Game
from ivr.simulator.orders import read_order
from ivr.simulator.vectors import Difference, finish, replay
from tests.flow.vectors import all_calls
from tests.flow.world import SHIPPED, session_of, shipped, small_flow
from tests.simulator.table import BANK_HEADERS, CARD, PIN, game, played

LINES: Final = (
    *("", "", "hear", "wait", "1", "2", "*", "65843148#", "12", "approve", "approve", "decline", "time out"),
    *("answered", "ended", "busy", BANK_HEADERS, "headers untrusted", "headers X-Invoice-Id=65843148", "hang up"),
    *(CARD, f"{PIN}#", f"{CARD}#{PIN}#", "6037701689095444", "unreachable", "answer unresolved", "9" * 20),
)


def again(game: Game, flow: Flow, directory: Path) -> tuple[str, Call]:
    """The recorded file, and the call that it makes. Raises Difference."""
    path = directory / "recorded.yaml"
    path.write_text(game.tape.text("what the caller notices", None if game.over else game.session.step), "utf-8")
    call = replay(path, flow, lambda flow, knows: Call(flow, session_of(flow, knows)))
    finish(call, path)
    return path.read_text("utf-8"), call


@pytest.mark.parametrize("name", SHIPPED)
@given(lines=st.lists(st.sampled_from(LINES), max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_played_goes_the_same_way_again(name: str, lines: list[str], tmp_path: Path) -> None:
    """Random calls: the file makes the same call, step for step, and no keyed secret is in it."""
    made, _ = game(name)
    made.begin()
    for line in lines:
        try:
            made.do(read_order(line))
        except BadInput:
            continue
    text, call = again(made, shipped(name), tmp_path)
    assert (call.session.step, call.session.ended) == (made.session.step, made.session.ended)
    assert call.session.visits == made.session.visits
    if name == "bank_ivr":
        assert CARD not in text and PIN not in text


def test_stand_ins_for_secrets(tmp_path: Path) -> None:
    """Another valid card, another PIN of the same length, in the keys and where the bank gets them."""
    made, _ = played(
        "bank_ivr", BANK_HEADERS, "hear", CARD[:5], CARD[5:], "hear", f"{PIN}#", "approve", "hear", knows={}
    )
    text, _ = again(made, shipped("bank_ivr"), tmp_path)
    entries = yaml.safe_load(text)["call"]
    [asked] = [entry for entry in entries if "asks" in entry]
    card, pin = asked["with"]["card"].removeprefix("•"), asked["with"]["pin"].removeprefix("•")
    assert card != CARD and is_card_number(card) and pin != PIN and len(pin) == len(PIN)
    assert "".join(entry["keys"] for entry in entries if "keys" in entry) == f"{card}{pin}#"
    assert entries[-1] == {"hangs_up": "normal"}


def test_a_secret_that_changes_its_form(tmp_path: Path) -> None:
    """It is passed on without its zeros: what the provider gets is left out, and the call still goes the same way."""
    steps = """  a:
    ask: {prompt: bank/enter_pin, form: number, secret: true, save: pin, min: 4, max: 8}
    next: b
    exits: {silence: sorry, invalid: sorry}
  b:
    headers: {t: {header: T}, m: {header: M, kind: amount}}
    next: c
    exits: {missing: sorry, invalid: sorry, untrusted: sorry}
  c:
    provider:
      ask: bank.settle
      with: {merchant_id: t, transaction_id: t, amount: m, card: pin, pin: pin}
      payment: {provider: bank, invoice: t}
    exits:
      {approved: end, declined: end, wrong_card: end, wrong_pin: end, duplicate: end, unreachable: end, unknown: end}
"""
    flow = small_flow(tmp_path, steps)
    made, _ = played(flow, "007788#", "headers T=1 M=2")
    text, _ = again(made, flow, tmp_path)
    assert "7788" not in text and "with" not in text and 'keys: "001012#"' in text


def test_a_file_reads_well(tmp_path: Path) -> None:
    """Digits are quoted, the first line is for people, the last says where the call was left."""
    made, _ = played("pay_invoice", "hear", "65843148#", "decline 3")
    text, _ = again(made, shipped("pay_invoice"), tmp_path)
    lines = text.splitlines()
    assert lines[0] == "# what the caller notices" and lines[1] == "flow: pay_invoice"
    assert '  - keys: "65843148#"' in lines and lines[-1] == "  - {at: already_paid}"
    assert yaml.safe_load(text)["knows"]["caller_number"] == "09121234567"


def test_a_flow_that_has_changed(tmp_path: Path) -> None:
    """The first difference is said, with its line."""
    made, _ = played("pay_invoice", "hear", "65843148#", "approve")
    with pytest.raises(Difference, match=r"recorded\.yaml:8: entry 2 .*merchant|recorded\.yaml:\d+: entry"):
        again(made, shipped("merchant_invoice"), tmp_path)


# -- files that are none -----------------------------------------------------------------------------------------------


def _bad_files() -> Iterator[tuple[str, str]]:
    yield "", "empty"
    yield "call: [", "not YAML"
    yield "- 1", "a list"
    yield "call: [1]", "no such entry"
    yield "call: [{says: x}]", "no such entry"
    yield "colour: blue\ncall: []", "nothing but"
    yield "knows: 1\ncall: []", "must be a mapping"
    yield "call: [{leg: gone}]", "nobody was dialled"
    yield "call: [{keys: 12}]", "nobody expected"
    yield "call: [{hears: {colour: blue}}]", "not written as it should be"
    yield "after: nothing\ncall: []", "beside or above"
    yield "call: [{leaves: true}, {leaves: true}]", "nobody expected"
    yield "call: [{begins: invoice/welcome}]", "goes on in step 'welcome'"


@pytest.mark.parametrize(("text", "said"), list(_bad_files()))
def test_files_that_are_no_call(tmp_path: Path, text: str, said: str) -> None:
    """One sentence with the file's name; never a traceback."""
    path = tmp_path / "bad.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadInput, match=said) as wrong:
        call = replay(path, shipped("pay_invoice"), lambda flow, knows: Call(flow, session_of(flow, knows)))
        finish(call, path)
    assert str(path) in str(wrong.value)


def test_a_beginning_that_begins_with_itself(tmp_path: Path) -> None:
    """It is said, and not tried for ever."""
    path = tmp_path / "beginnings" / "pay_invoice" / "circle.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("after: circle\ncall: []", "utf-8")
    with pytest.raises(BadInput, match="begins with itself"):
        replay(path, shipped("pay_invoice"), lambda flow, knows: Call(flow, session_of(flow, knows)))


def test_every_vector_can_be_replayed_without_the_tests() -> None:
    """`ivr play --replay` takes every file of tests/vectors as it is."""
    for path, name in all_calls():
        finish(replay(path, shipped(name), lambda flow, knows: Call(flow, session_of(flow, knows))), path)


def test_the_last_four_digits_of_a_card(tmp_path: Path) -> None:
    """They are no secret: what is said and told of them is the same in the file, and the rest is other digits."""
    steps = """  a:
    ask: {prompt: bank/enter_card, form: card, save: card}
    next: b
    exits: {silence: sorry, invalid: sorry}
  b: {notify: {to: shop, event: keyed, with: {four: card.last_four}}, next: c}
  c: {say: [pay/is, {digits: card.last_four}], next: end}
"""
    flow = small_flow(tmp_path, steps)
    made, _ = played(flow, CARD, "hear")
    text, _ = again(made, flow, tmp_path)
    assert CARD not in text and CARD[:12] not in text and text.count(f'"{CARD[-4:]}"') == 2


RECORDING: Final = """  a:
    record: {prompt: pay/is, save: message, max: 20s}
    next: b
    exits: {silence: c, failed: sorry}
  b: {notify: {to: shop, event: left_word, with: {file: message, who: caller_number}}, next: c}
  c: {say: common/goodbye, next: end}
"""


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (("hear", "talk", "hear"), True),
        (("hear", "#", "talk", "hear"), True),
        (("hear", "silent recording", "hear"), False),
        (("hear", "failed recording", "hear"), False),
        (("hear", "wait", "hear"), False),
        (("", "", ""), False),
        (("hear", "hang up"), False),
    ],
)
def test_a_recording_goes_the_same_way_again(lines: tuple[str, ...], told: bool, tmp_path: Path) -> None:
    """The recording, what became of it, and who was told of it."""
    flow = small_flow(tmp_path, RECORDING)
    made, _ = played(flow, *lines)
    text, _ = again(made, flow, tmp_path)
    entries = yaml.safe_load(text)["call"]
    assert {"records": {"longest": 20.0, "silence": 4.0, "finish_key": "#", "beep": True}} in entries
    notices = [entry["notifies"] for entry in entries if "notifies" in entry]
    assert [(notice["to"], notice["event"], notice["with"]["who"]) for notice in notices] == (
        [("shop", "left_word", "09121234567")] if told else []
    )


def test_recordings_and_notices_that_are_otherwise(tmp_path: Path) -> None:
    """Another length, another event: the first difference is said."""
    made, _ = played(small_flow(tmp_path, RECORDING), "hear", "talk", "hear")
    for before, after, said in (("20s", "30s", "records"), ("left_word", "left_words", "notifies")):
        with pytest.raises(Difference, match=said):
            again(made, small_flow(tmp_path, RECORDING.replace(before, after)), tmp_path)
    with pytest.raises(Difference, match="got"):
        again(made, small_flow(tmp_path, "  a: {say: pay/is, next: c}\n  c: {say: pay/paid, next: end}"), tmp_path)
