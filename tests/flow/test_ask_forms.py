"""What `ask` takes and refuses by form, numbers that are asked for twice, and prompts of their own for each attempt."""

from pathlib import Path

import pytest

from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.commands import AskProvider
from ivr.flow.model import Flow
from tests.flow.caller import Caller
from tests.flow.world import answered, small_flow

WRONG = (Prompt("common/wrong_key"), Prompt("pay/is"))
TWICE = "twice: true, min: 2, max: 6"
AGAIN = (Prompt("common/enter_again"),)
DIFFER = (Prompt("common/entries_differ"), Prompt("pay/is"))


def asking(directory: Path, fields: str, ways: str = "") -> Flow:
    """A flow that asks for `x` with these fields."""
    return small_flow(
        directory,
        f"  a: {{ask: {{prompt: pay/is, save: x, {fields}}}, next: b,"
        f" exits: {{silence: sorry, invalid: sorry{ways}}}}}\n"
        "  b: {say: pay/paid, next: end}",
    )


def said(caller: Caller) -> object:
    """What is being said."""
    return caller.playing.say if caller.playing is not None else None


@pytest.mark.parametrize(
    ("fields", "keys", "known"),
    [
        ("form: bill_id", "0007748317800142#", {"x": "7748317800142", "x.service": "4"}),
        ("form: bill_id, max: 13", "7748317800142#", {"x": "7748317800142", "x.service": "4"}),
        ("form: bill_id", "2234322344613#", None),
        ("form: bill", "7748317800142#", {"x": "7748317800142", "x.service": "4"}),
        (
            "form: bill, finish_at_max: true",
            "33009590043100000385620969",
            {"x": "3300959004310", "x.service": "1", "x.barcode": "33009590043100000385620969"},
        ),
        ("form: bill", "2234322344613#", None),
        ("form: bill", "77483178001420000001770161#", None),
        ("form: bill", "77483178001420#", None),
        ("form: amount, unit: toman", "016000#", {"x": 160_000}),
        ("form: amount, unit: rial, min: 1000, max: 5000", "1000#", {"x": 1_000}),
        ("form: amount, unit: rial, min: 1000, max: 5000", "5001#", None),
        ("form: amount, unit: toman, min: 1000, max: 5000", "5000#", {"x": 50_000}),
        ("form: amount, unit: rial", "0#", None),
        ("form: date", "14031230", {"x": "14031230"}),
        ("form: date", "14021230", None),
        ("form: date, year_digits: 2", "620101", {"x": "13620101"}),
        ("form: date, year_digits: 2, first_year: 1304", "030101", {"x": "14030101"}),
        ('pattern: "09XX"', "0912", {"x": "0912"}),
        ('pattern: "09XX"', "0812", None),
        ('pattern: ["1X", "2XXX"]', "2345#", {"x": "2345"}),
        ('pattern: ["1X", "2XXX"]', "12#", {"x": "12"}),
        ('pattern: ["1X", "2XXX"]', "123#", None),
    ],
)
def test_forms(tmp_path: Path, fields: str, keys: str, known: dict[str, object] | None) -> None:
    """What is right is kept with all that it says; what is not is asked for again."""
    if "0007748317800142" in keys:
        fields += ", max: 16"
    caller = answered(asking(tmp_path, fields), {})
    caller.keys(keys)
    if known is None:
        assert said(caller) == WRONG and not caller.session.answers
    else:
        assert caller.session.step == "b" and caller.session.answers == known


def test_a_payment_id_belongs_to_its_bill(tmp_path: Path) -> None:
    """The payment id of another bill is refused; the right one says the amount."""
    flow = small_flow(
        tmp_path,
        "  a: {ask: {prompt: pay/is, form: bill_id, save: bill}, next: b, exits: {silence: sorry, invalid: sorry}}\n"
        "  b: {ask: {prompt: pay/is, form: payment_id, bill: bill, save: pay}, next: c,"
        " exits: {silence: sorry, invalid: sorry}}\n"
        "  c: {say: [pay/is, {amount: pay.amount}], next: end}",
    )
    caller = answered(flow, {})
    caller.keys("7748317800142#12070160#")
    assert said(caller) == WRONG
    caller.keys("1770160#")
    assert caller.session.step == "c" and caller.session.answers["pay.amount"] == 17_000


def test_an_earlier_barcode_says_nothing_of_the_next_bill(tmp_path: Path) -> None:
    """Who keys a barcode and then another bill's id is not taken for the first bill."""
    flow = small_flow(
        tmp_path,
        "  a: {ask: {prompt: pay/is, form: bill, save: x}, next: b, exits: {silence: sorry, invalid: sorry}}\n"
        "  b: {choose: {value: x.barcode, present: again, missing: c}}\n"
        "  again: {say: pay/is, next: a}\n"
        "  c: {say: pay/paid, next: end}",
    )
    caller = answered(flow, {})
    caller.keys("77483178001420000001770160#")
    assert caller.session.step == "again" and caller.session.answers["x.barcode"] == "77483178001420000001770160"
    caller.hear()
    caller.keys("2050327604613#")
    assert caller.session.step == "c" and caller.session.answers == {"x": "2050327604613", "x.service": "1"}


def test_a_card_leaves_its_last_four_digits(tmp_path: Path) -> None:
    """They may be read out; the number itself stays secret."""
    caller = answered(asking(tmp_path, "form: card"), {})
    caller.keys("6037701689095443")
    assert caller.session.answers == {"x.last_four": "5443", "x.bank": "keshavarzi"}
    assert caller.session.secrets == {"x": Secret("6037701689095443")}


# -- twice -------------------------------------------------------------------------------------------------------------


def test_twice_the_same(tmp_path: Path) -> None:
    """The number is kept when it was keyed the same both times, by its own second question."""
    caller = answered(asking(tmp_path, TWICE, ", mismatch: sorry"), {})
    caller.keys("123#")
    assert said(caller) == AGAIN and not caller.session.answers
    caller.keys("123#")
    assert caller.session.answers == {"x": "123"} and not caller.session.entered


def test_twice_compares_what_is_meant(tmp_path: Path) -> None:
    """One mobile number, written in two ways, is the same; so are both keyed ahead."""
    caller = answered(asking(tmp_path, "twice: true, form: mobile", ", mismatch: sorry"), {})
    caller.keys("09121234567#00989121234567#")
    assert caller.session.answers == {"x": "09121234567"}


def test_twice_and_different(tmp_path: Path) -> None:
    """Two numbers that differ are both forgotten, and so often only."""
    caller = answered(asking(tmp_path, TWICE + ", again_prompt: [pay/is, pay/paid]", ", mismatch: sorry"), {})
    caller.keys("123#")
    assert said(caller) == (Prompt("pay/is"), Prompt("pay/paid"))
    caller.keys("124#")
    assert said(caller) == DIFFER and not caller.session.entered
    caller.keys("124#123#")
    assert caller.session.step == "sorry" and not caller.session.answers


def test_a_mistake_at_the_second_time_asks_the_second_time_again(tmp_path: Path) -> None:
    """Attempts count for both questions together."""
    caller = answered(asking(tmp_path, TWICE, ", mismatch: end"), {})
    caller.keys("123#1#")
    assert said(caller) == (Prompt("common/too_few_digits"), *AGAIN)
    caller.keys("1#")
    caller.keys("1#")
    assert caller.session.step == "sorry"


def test_twice_begins_again_after_a_crash(tmp_path: Path) -> None:
    """The first number was never written down: it is asked for again, also a secret one."""
    caller = answered(asking(tmp_path, TWICE + ", secret: true", ", mismatch: sorry"), {})
    caller.keys("123#")
    assert "123" not in caller.session.snapshot()
    caller.restart()
    assert said(caller) == (Prompt("pay/is"),)
    caller.keys("77#77#")
    assert caller.session.secrets == {"x": Secret("77")}


def test_a_secret_asked_for_twice_goes_to_its_provider(tmp_path: Path) -> None:
    """As any other secret does; the second number is no plain answer."""
    caller = answered(asking(tmp_path, TWICE + ", secret: true", ", mismatch: sorry"), {})
    caller.keys("123#123#")
    assert caller.session.answers == {} and not any(isinstance(n, AskProvider) for n in caller.noticed)


# -- prompts for each attempt ------------------------------------------------------------------------------------------


def test_each_attempt_has_its_own_words(tmp_path: Path) -> None:
    """The first mistake is answered otherwise than the second; the last words are for all that follow."""
    fields = "attempts: 4, min: 2, invalid_prompt: pay/paid, silence_prompt: [pay/cancelled, common/goodbye]"
    caller = answered(asking(tmp_path, fields), {})
    for prompt in ("pay/cancelled", "common/goodbye", "common/goodbye"):
        caller.hear()
        caller.wait()
        assert said(caller) == (Prompt(prompt), Prompt("pay/is"))
    caller.hear()
    caller.wait()
    assert caller.session.step == "sorry"


def test_a_menu_has_them_too(tmp_path: Path) -> None:
    """The same for a wrong key."""
    menu = "{prompt: pay/is, keys: {'1': end}, invalid_prompt: [pay/paid, pay/cancelled]}"
    caller = answered(small_flow(tmp_path, f"  a: {{menu: {menu}, exits: {{silence: sorry, invalid: sorry}}}}"))
    for prompt in ("pay/paid", "pay/cancelled"):
        caller.keys("7")
        assert said(caller) == (Prompt(prompt), Prompt("pay/is"))
