"""numbers.yaml: which entry takes a call, and what its caller gets when it cannot be served now."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.legs import HangupCause
from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Detour, Dialplan
from tests.flow.world import DIALPLAN, world

NUMBERS = """timezone: Asia/Tehran
holidays:
  - {jalali: "01-01", days: 4, name: Nowruz}
  - {date: "2026-12-25"}
hours:
  office: {sat-wed: ["08:00-12:00", "13:00-17:00"], thu: "20:00-02:00", fri: closed, holidays: "10:00-11:00"}
numbers:
  - number: "42473000"
    flow: pay_invoice
    settings: {merchant_phone: "1"}
    hours: office
    closed: {flow: closed}
    most_calls: 2
    full: {flow: all_busy}
  - {number: "4247XXXX", flow: pay_invoice, settings: {merchant_phone: "2"}}
  - {number: "4247ZXXX", trunk: bank, flow: pay_invoice, settings: {merchant_phone: "3"}, most_calls: 5, full: rejected}
  - {number: "42474000", trunk: bank, flow: pay_invoice, settings: {merchant_phone: "4"}, hours: office, closed: busy}
  - {number: "1", flow: merchant_invoice, settings: {switch_number: "5"}, most_calls: 1, full: {flow: pay_invoice,
     settings: {merchant_phone: "6"}}}
"""
"""One of everything, without a fault."""


def load(directory: Path, text: str) -> Dialplan:
    """These numbers beside the shipped flows."""
    if not (directory / "flows").exists():
        (directory / "flows").symlink_to(DIALPLAN / "flows")
    (directory / "numbers.yaml").write_text(text, encoding="utf-8", newline="")
    return load_dialplan(directory, world())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("numbers")


@pytest.fixture(scope="module")
def dialplan(directory: Path) -> Dialplan:
    return load(directory, NUMBERS)


@pytest.mark.parametrize(
    ("dialled", "trunk", "whose"),
    [
        ("42473000", "public", "1"),  # exact, before the pattern that takes it too
        ("42473001", "public", "2"),
        ("42474000", "public", "2"),
        ("42474000", "bank", "4"),  # the trunk's own, and exact
        ("42473000", "bank", "3"),  # the trunk's own pattern, before an exact number for any trunk
        ("42470000", "bank", "2"),  # the trunk's own pattern does not take it
        ("42480000", "bank", None),
        ("4247300", "public", None),
        ("424730000", "public", None),
    ],
)
def test_which_entry_takes_a_call(dialplan: Dialplan, dialled: str, trunk: str, whose: str | None) -> None:
    """First the trunk's own entries, and among them an exact number before a pattern; then those for any trunk."""
    number = dialplan.number(dialled, trunk)
    assert (number.settings["merchant_phone"] if number is not None else None) == whose


@pytest.mark.parametrize(
    ("moment", "calls", "instead"),
    [
        ("2026-11-22T09:00", 1, None),
        ("2026-11-22T12:30", 0, ("closed", Detour("closed", {}))),
        ("2026-11-22T12:30", 2, ("closed", Detour("closed", {}))),
        ("2026-11-22T09:00", 2, ("number_full", Detour("all_busy", {}))),
        ("2026-11-22T09:00", 3, ("number_full", Detour("all_busy", {}))),
        ("2026-03-21T09:00", 0, ("closed", Detour("closed", {}))),  # Nowruz, a Saturday
        ("2026-03-21T10:00", 0, None),
    ],
)
def test_who_is_served_now(dialplan: Dialplan, moment: str, calls: int, instead: tuple[str, Detour] | None) -> None:
    """Outside of the hours that is said first, whoever calls; inside, one caller too many hears that."""
    number = dialplan.number("42473000", "public")
    assert number is not None
    assert number.instead(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Asia/Tehran")), calls) == instead


def test_a_refusal_by_the_network(dialplan: Dialplan) -> None:
    """`busy`, `rejected`, `unavailable`: the caller is not answered."""
    friday = datetime(2026, 11, 27, 10, 0, tzinfo=ZoneInfo("Asia/Tehran"))
    number, pattern = dialplan.number("42474000", "bank"), dialplan.number("42473000", "bank")
    assert number is not None and number.instead(friday, 0) == ("closed", HangupCause.BUSY)
    assert pattern is not None and pattern.instead(friday, 5) == ("number_full", HangupCause.REJECTED)


def test_what_is_not_said_is_open_for_all(dialplan: Dialplan) -> None:
    """A number without hours and without a most of calls takes every call, as it always did."""
    number = dialplan.number("42479999", "public")
    assert number is not None
    assert number.instead(datetime(2026, 11, 27, 3, 0, tzinfo=ZoneInfo("Asia/Tehran")), 10**6) is None


def test_a_detour_has_the_settings_that_its_flow_needs(dialplan: Dialplan, directory: Path) -> None:
    """Its own, and those of the number where its flow has them too: nothing is written twice."""
    number = dialplan.number("1", "public")
    assert number is not None and number.full == Detour("pay_invoice", {"merchant_phone": "6"})
    text = """numbers:
  - {number: "1", flow: pay_invoice, settings: {merchant_phone: "7"}, most_calls: 1, full: {flow: switch_invoice}}
"""
    assert load(directory, text).numbers[0].full == Detour("switch_invoice", {"merchant_phone": "7"})


def test_the_words_for_closed_must_be_there_in_the_number_s_language(tmp_path: Path) -> None:
    """An English number whose closing words are recorded in Persian only is found before somebody calls."""
    prompts = world().prompts
    without = {**prompts, "en": prompts["en"] - {"common/closed"}}
    (tmp_path / "flows").mkdir()
    for flow in ("pay_invoice", "closed"):
        (tmp_path / "flows" / f"{flow}.yaml").write_bytes((DIALPLAN / "flows" / f"{flow}.yaml").read_bytes())
    text = """hours: {never: {sat-fri: closed}}
numbers:
  - number: "1"
    language: LANGUAGE
    flow: pay_invoice
    settings: {merchant_phone: "7"}
    hours: never
    closed: {flow: closed}
"""
    numbers, reduced = tmp_path / "numbers.yaml", type(world())(without, world().trunks, world().providers)
    numbers.write_text(text.replace("LANGUAGE", "en"), encoding="utf-8")
    with pytest.raises(Faults, match=r"closed\.yaml:8:20: there is no prompt 'common/closed' in 'en'"):
        load_dialplan(tmp_path, reduced)
    numbers.write_text(text.replace("LANGUAGE", "fa"), encoding="utf-8")
    load_dialplan(tmp_path, reduced)


def test_the_readme_s_example_can_be_copied(tmp_path: Path) -> None:
    """An admin who begins with it begins with something that works."""
    readme = (DIALPLAN / "README.md").read_text(encoding="utf-8")
    example = readme.partition("## Numbers")[2].partition("```yaml\n")[2].partition("```")[0]
    [number] = load(tmp_path, example).numbers
    nowruz, office = (datetime(2026, month, 23, 9, 0, tzinfo=ZoneInfo("Asia/Tehran")) for month in (3, 11))
    assert number.instead(nowruz, 0) == ("closed", Detour("closed", {}))
    assert number.instead(office, 19) is None and number.instead(office, 20) == ("number_full", Detour("all_busy", {}))


def test_the_readme_s_number_for_agents_can_be_copied(tmp_path: Path) -> None:
    """Agents alone reach it, and whom they send comes back to them."""
    readme = (DIALPLAN / "README.md").read_text(encoding="utf-8").partition("## Agents")[2]
    dialplan = load(tmp_path, readme.split("```yaml\n")[2].partition("```")[0])
    number = dialplan.number("42473051", "agents")
    assert number is not None and number.afterwards == Detour("back_to_agent", {})
    assert dialplan.number("42473051", "public") is None
    with pytest.raises(Faults, match="there is no trunk 'agents': the configuration has no agents"):
        load_dialplan(tmp_path, replace(world(), agents=frozenset()))


def test_a_flow_that_brings_can_be_copied(tmp_path: Path) -> None:
    """The readme's own example."""
    readme = (DIALPLAN / "README.md").read_text(encoding="utf-8").partition("**brings**")[2]
    (tmp_path / "pay.yaml").write_text(readme.partition("```yaml\n")[2].partition("```")[0], encoding="utf-8")
    assert list(load_dialplan(tmp_path / "pay.yaml", world()).flows["pay"].brings) == ["invoice_id"]


def test_a_detour_into_a_broken_flow_is_not_blamed(tmp_path: Path) -> None:
    """What is wrong with the flow is said in its own file, once."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "closed.yaml").write_bytes((DIALPLAN / "flows" / "closed.yaml").read_bytes())
    (tmp_path / "flows" / "gone.yaml").write_text("flow: [", encoding="utf-8")
    numbers = '{number: "1", flow: closed, most_calls: 1, full: {flow: gone, settings: {a: "1"}}}'
    (tmp_path / "numbers.yaml").write_text(f"numbers: [{numbers}]", encoding="utf-8")
    with pytest.raises(Faults) as caught:
        load_dialplan(tmp_path, world())
    assert [Path(fault.file).name for fault in caught.value.faults] == ["gone.yaml"]


PIECES = [
    "\n",
    "  ",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ",",
    '"',
    "&a ",
    "*a",
    "null",
    "08:00",
    "X",
    "1405",
    "-",
    "closed",
    "۱",
]


@given(st.lists(st.tuples(st.integers(0, len(NUMBERS)), st.integers(0, 20), st.sampled_from(PIECES)), max_size=3))
@settings(max_examples=60, deadline=None)
def test_spoilt_numbers_never_break_the_loader(directory: Path, places: list[tuple[int, int, str]]) -> None:
    """A slip of the hand anywhere gives faults with their places, or numbers that can be asked about."""
    text = NUMBERS
    for place, cut, piece in places:
        text = text[:place] + piece + text[place + cut :]
    try:
        loaded = load(directory, text)
    except Faults as exc:
        assert exc.faults and all(fault.line > 0 and "\n" not in str(fault) for fault in exc.faults)
        return
    for number in loaded.numbers:
        number.instead(datetime(2026, 3, 20, 23, 59, tzinfo=ZoneInfo("UTC")), 3)
