"""Every broken dialplan in tests/bad_flows/ is refused whole, with exactly the messages that its file expects.

A file ends in comments `#! line:column: message`, one for each fault, in order. `numbers/` holds broken numbers.yaml;
they stand beside good flows: `good` needs a setting and `other` none, `back` is for those whom an agent sent, and
`wants_more` takes what only another flow could hand it. `ussd/` holds broken ussd.yaml beside the same, and `by_ussd/`
flows that are wrong only on screens.
"""

from pathlib import Path
from typing import Final

import pytest

from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from tests.flow.world import world

BAD: Final = Path(__file__).parents[1] / "bad_flows"
GOOD_FLOW: Final = """flow: good
settings: [merchant_phone]
first: a
on_failure: a
steps:
  a: {say: common/goodbye, next: b}
  b: {hang_up: normal}
"""


def expected(path: Path) -> list[str]:
    """The messages that the file itself expects."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("#! ") for line in lines if line.startswith("#! ")]


def messages(path: Path, directory: Path) -> list[str]:
    """What loading says, without the file's name."""
    with pytest.raises(Faults) as caught:
        load_dialplan(directory, world())
    assert {fault.file for fault in caught.value.faults} == {str(path)}
    return [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults]


@pytest.mark.parametrize("path", sorted(BAD.glob("*.yaml")), ids=lambda path: path.stem)
def test_flow(path: Path) -> None:
    """The admin reads every fault at once, each with its line and column."""
    assert messages(path, path) == expected(path) != []


@pytest.mark.parametrize("path", sorted(BAD.glob("numbers/*.yaml")), ids=lambda path: path.stem)
def test_numbers(path: Path, tmp_path: Path) -> None:
    """The same for the numbers that callers dial."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "good.yaml").write_text(GOOD_FLOW, encoding="utf-8")
    other = GOOD_FLOW.replace("flow: good\nsettings: [merchant_phone]", "flow: other")
    (tmp_path / "flows" / "other.yaml").write_text(other, encoding="utf-8")
    back = other.replace("flow: other", "flow: back\ntakes: {agent: text, outcome: text}")
    (tmp_path / "flows" / "back.yaml").write_text(back, encoding="utf-8")
    more = other.replace("flow: other", "flow: wants_more\ntakes: {agent: text, invoice_id: digits}")
    (tmp_path / "flows" / "wants_more.yaml").write_text(more, encoding="utf-8")
    numbers = tmp_path / "numbers.yaml"
    numbers.write_bytes(path.read_bytes())
    assert messages(numbers, tmp_path) == expected(path) != []


NUMBERS: Final = 'numbers: [{number: "1", flow: good, settings: {merchant_phone: "2"}}]\n'


@pytest.mark.parametrize("path", sorted(BAD.glob("ussd/*.yaml")), ids=lambda path: path.stem)
def test_services(path: Path, tmp_path: Path) -> None:
    """The same for the short codes that users dial."""
    (tmp_path / "flows").mkdir()
    for name, head in (("good", None), ("other", ""), ("wants_more", "\ntakes: {invoice_id: digits}")):
        text = GOOD_FLOW if head is None else GOOD_FLOW.replace("\nsettings: [merchant_phone]", head)
        (tmp_path / "flows" / f"{name}.yaml").write_text(text.replace("flow: good", f"flow: {name}"), encoding="utf-8")
    (tmp_path / "numbers.yaml").write_text(NUMBERS, encoding="utf-8")
    services = tmp_path / "ussd.yaml"
    services.write_bytes(path.read_bytes())
    assert messages(services, tmp_path) == expected(path) != []


@pytest.mark.parametrize("path", sorted(BAD.glob("by_ussd/*.yaml")), ids=lambda path: path.stem)
def test_flow_that_a_service_runs(path: Path, tmp_path: Path) -> None:
    """Good for calls, and told as soon as a short code leads to it."""
    (tmp_path / "flows").mkdir()
    flow = tmp_path / "flows" / path.name
    flow.write_bytes(path.read_bytes())
    (tmp_path / "flows" / "good.yaml").write_text(GOOD_FLOW, encoding="utf-8")
    (tmp_path / "numbers.yaml").write_text(NUMBERS, encoding="utf-8")
    assert path.stem in load_dialplan(tmp_path, world()).flows
    service = f'services: {{one: {{code: "*6655*1#", flow: {path.stem}, language: en}}}}\n'
    (tmp_path / "ussd.yaml").write_text(service, encoding="utf-8")
    assert messages(flow, tmp_path) == expected(path) != []
