"""ussd.yaml: which short code runs which flow, and what such a flow must be fit for."""

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from ivr.domain.reading import Faults
from ivr.domain.screens import Limits
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan, Service, World
from tests.flow.test_bad_flows import GOOD_FLOW, NUMBERS
from tests.flow.test_loader import dialplan
from tests.flow.world import DIALPLAN, shipped_dialplan, world

OTHER: Final = GOOD_FLOW.replace("flow: good\nsettings: [merchant_phone]", "flow: other")

LINKED: Final = """flow: linked
first: ask
on_failure: sorry
steps:
  ask: {ask: {prompt: pay/is, save: n}, next: find, exits: {silence: sorry, invalid: sorry}}
  find:
    invoice: {provider: paystar, id: n, save: invoice}
    next: how
    exits: {not_found: sorry, already_paid: sorry, being_paid: sorry, unresolved: sorry}
  how: {channel: {voice: sorry, ussd: link}}
  link:
    ussd_payment: {provider: net, invoice: n, amount: invoice.amount}
    next: end
    exits: {being_paid: sorry}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
OPEN: Final = LINKED.replace("flow: linked", "flow: open").replace(
    "{voice: sorry, ussd: link}", "{voice: link, ussd: link}"
)
LINKED_SERVICE: Final = 'services: {pay: {code: "*6655*1#", flow: linked}}\n'

WITH_NET: Final = replace(world(), providers={**world().providers, "net": world().providers["ussd"]})


def loaded(directory: Path, ussd: str, around: World | None = None, numbers: str = NUMBERS, **flows: str) -> Dialplan:
    """A dialplan of `good`, `other` and these flows."""
    texts: dict[str, str | bytes] = {f"flows/{name}.yaml": text for name, text in flows.items()}
    texts |= {"flows/good.yaml": GOOD_FLOW, "flows/other.yaml": OTHER, "numbers.yaml": numbers}
    if ussd:
        texts["ussd.yaml"] = ussd
    return load_dialplan(dialplan(directory, texts), around or world())


def wrong(directory: Path, *arguments: object, **flows: str) -> list[str]:
    """What is wrong with it, without the directory."""
    with pytest.raises(Faults) as caught:
        loaded(directory, *arguments, **flows)  # type: ignore[arg-type]
    return [str(fault).removeprefix(f"{directory}/") for fault in caught.value.faults]


# -- what is good ------------------------------------------------------------------------------------------------------


def test_services(tmp_path: Path) -> None:
    """Codes in whichever way the network writes them, settings, a language; Persian is the usual one."""
    found = loaded(
        tmp_path,
        """services:
  one: {code: "*6655*123#", flow: good, settings: {merchant_phone: "21"}}
  two-2_b: {code: ["*۶۶۵۵*۱۲۴#", "6655 * 125", "*6655*123*7"], flow: other, language: en}
""",
    ).services
    assert found == [
        Service("one", [("6655", "123")], "good", "fa", {"merchant_phone": "21"}),
        Service("two-2_b", [("6655", "124"), ("6655", "125"), ("6655", "123", "7")], "other", "en", {}),
    ]


def test_a_dialplan_without_services(tmp_path: Path) -> None:
    """The file may be missing, or have none."""
    assert loaded(tmp_path, "").services == []
    assert loaded(tmp_path, "services: {}\n").services == []


def test_a_flow_that_no_number_runs(tmp_path: Path) -> None:
    """A service alone is enough; a number besides is no harm."""
    numbers = 'numbers: [{number: "1", flow: other}]\n'
    found = loaded(tmp_path, 'services: {one: {code: "*1#", flow: other}}\n', None, numbers)
    assert found.services[0].flow == found.numbers[0].flow == "other"


def test_the_shipped_services() -> None:
    """`register_code` and `status` need nothing of anybody; the texts of the screens come along."""
    found = shipped_dialplan()
    assert {service.name: service.codes for service in found.services} == {
        "register_code": [("6655", "123")],
        "status": [("6655", "126")],
    }
    assert found.screens["fa"]["screen/forward"] and found.service("status") is not None
    assert found.service("no_such") is None


def test_the_shipped_services_that_wait(tmp_path: Path) -> None:
    """With their `#` taken away they are good, too: with the providers that they name."""
    text = (DIALPLAN / "ussd.yaml").read_text("utf-8")
    every = "".join(
        line.replace("  # ", "  ", 1) if line.startswith("  #   ") or line.rstrip().endswith(("e:", "l:")) else line
        for line in text.splitlines(keepends=True)
    )
    files: dict[str, str | bytes] = {f"flows/{path.name}": path.read_bytes() for path in DIALPLAN.glob("flows/*.yaml")}
    files |= {"numbers.yaml": (DIALPLAN / "numbers.yaml").read_bytes(), "ussd.yaml": every}
    found = load_dialplan(dialplan(tmp_path, files), world())
    assert {service.flow for service in found.services} == {"register_code", "status", "pay_invoice", "pay_bill"}


# -- a provider that only USSD users need ------------------------------------------------------------------------------


def test_whoever_has_no_service_needs_no_provider_for_it(tmp_path: Path) -> None:
    """What stands behind the way of USSD users lacks its provider: no fault, and the flow serves calls."""
    numbers = 'numbers: [{number: "1", flow: linked}]\n'
    found = loaded(tmp_path, "", None, numbers, linked=LINKED)
    assert "linked" in found.flows and found.set_aside == {}


def test_whoever_has_one_does(tmp_path: Path) -> None:
    """The fault stands where the provider is named."""
    assert wrong(tmp_path, LINKED_SERVICE, linked=LINKED) == ["flows/linked.yaml:12:30: there is no provider 'net'"]
    assert loaded(tmp_path, LINKED_SERVICE, WITH_NET, linked=LINKED).services


def test_what_calls_need_is_a_fault_as_ever(tmp_path: Path) -> None:
    """A provider on the way of both is needed by calls, whatever services there are."""
    assert any("no provider 'net'" in one for one in wrong(tmp_path, LINKED_SERVICE, open=OPEN, linked=LINKED))
    numbers = 'numbers: [{number: "1", flow: open}]\n'
    assert "flows/open.yaml:12:30: there is no provider 'net'" in wrong(tmp_path, "", None, numbers, open=OPEN)


def test_a_flow_that_a_service_runs_is_not_set_aside(tmp_path: Path) -> None:
    """It needs its provider even though no number leads to it."""
    text = LINKED.replace("provider: paystar", "provider: none").replace("provider: net", "provider: ussd")
    found = loaded(tmp_path, "", linked=text)
    assert found.set_aside == {"linked": ("none",)}
    assert wrong(tmp_path, LINKED_SERVICE, linked=text) == ["flows/linked.yaml:7:25: there is no provider 'none'"]


# -- calls cannot have what is for screens -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "by",
    ["flow: open", "flow: other, hours: never, closed: {flow: open}", "flow: other, most_calls: 1, full: {flow: open}"],
)
def test_a_number_that_leads_to_a_ussd_payment(tmp_path: Path, by: str) -> None:
    """A caller would hear that something broke: told where the step is, however callers come there."""
    hours = 'hours: {never: {sat: "08:00-08:01"}}\n' if "hours" in by else ""
    numbers = f'numbers: [{{number: "1", {by}}}]\n{hours}'
    assert wrong(tmp_path, "", WITH_NET, numbers, open=OPEN) == [
        "flows/open.yaml:11:3: 'link': a call has no 'ussd_payment': let a 'channel' step lead only USSD here"
    ]


def test_a_called_flow_that_is_not_for_screens(tmp_path: Path) -> None:
    """Told at the step that calls it."""
    inner = """flow: inner
first: dial
on_failure: done
steps:
  dial:
    dial: {prompt: pay/is, trunk: bank, number: "1", caller_id: "2"}
    next: done
    exits: {busy: done, no_answer: done, rejected: done, unreachable: done}
  done: {return: done}
"""
    outer = OTHER.replace("flow: other", "flow: outer").replace(
        "  a: {say: common/goodbye, next: b}",
        "  a: {call: {flow: inner}, exits: {done: c}}\n  c: {say: common/goodbye, next: b}",
    )
    assert wrong(tmp_path, 'services: {one: {code: "*1#", flow: outer}}\n', inner=inner, outer=outer) == [
        "flows/outer.yaml:5:3: 'a/dial': USSD has no 'dial': let a 'channel' step lead only calls here"
    ]


def test_what_only_calls_come_to_is_no_matter(tmp_path: Path) -> None:
    """Secrets, legs and menus without words behind the way of those who listen."""
    both = """flow: both
first: how
on_failure: sorry
steps:
  how: {channel: {voice: menu, ussd: sorry}}
  menu: {menu: {prompt: pay/is, keys: {"1": pin}}, exits: {silence: sorry, invalid: sorry}}
  pin: {ask: {prompt: pay/is, save: pin, secret: true}, next: leg, exits: {silence: sorry, invalid: sorry}}
  leg:
    dial: {prompt: pay/is, trunk: bank, number: "1", caller_id: "2"}
    next: sorry
    exits: {busy: sorry, no_answer: sorry, rejected: sorry, unreachable: sorry}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
    numbers = 'numbers: [{number: "1", flow: both}]\n'
    assert loaded(tmp_path, 'services: {one: {code: "*1#", flow: both}}\n', None, numbers, both=both).services


def test_what_a_screen_holds_is_configured(tmp_path: Path) -> None:
    """Where the network has smaller screens, a text needs more pages; the words that say no stand there, too."""
    text = OTHER.replace("flow: other", "flow: long").replace(
        "say: common/goodbye, next: b",
        'ask: {prompt: [pay/is, {screen: bill/result_will_follow}], save: n, min: 4, cancel_key: "*"}, next: c, '
        "exits: {silence: c, invalid: c, cancelled: c}",
    )
    text = text.replace("  b:", "  c: {say: common/goodbye, next: b}\n  b:").replace("on_failure: a", "on_failure: c")
    service = 'services: {one: {code: "*1#", flow: long, language: en}}\n'
    assert loaded(tmp_path, service, long=text).services
    small = replace(world(), screen_limits=Limits(gsm=60, ucs2=60))
    [fault] = wrong(tmp_path, service, small, long=text)
    assert fault.startswith("flows/long.yaml:5:3: 'a': on a screen it needs 6 pages in 'en', and 4 are the most")


def test_a_flow_that_calls_what_is_not_there(tmp_path: Path) -> None:
    """One fault, at the call; a service that runs such a flow adds none."""
    calling = OTHER.replace("flow: other", "flow: calling").replace(
        "  a: {say: common/goodbye, next: b}",
        "  a: {call: {flow: nowhere}, exits: {done: c}}\n  c: {say: common/goodbye, next: b}",
    )
    service = 'services: {one: {code: "*1#", flow: calling}}\n'
    [fault] = wrong(tmp_path, service, calling=calling)
    assert fault.startswith("flows/calling.yaml:5:20: there is no flow 'nowhere'")
