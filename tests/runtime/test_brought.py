"""What a call brings along: whose word counts, what is not taken, and what programs have attached for agents."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Flow
from ivr.runtime.brought import KEPT_SECONDS, MOST_ATTACHED, Attachments, brought, may_bring
from ivr.runtime.ports import CallInfo
from tests.fakes import FakeVoice
from tests.flow.world import world

FLOW = """flow: small
brings:
  invoice_id: {kind: number, min: 4, max: 12, header: X-Invoice-Id}
  price: {kind: amount, header: X-Price}
  note: {kind: text, max: 8, header: X-Note}
  shelf: {min: 2, max: 2}
first: sorry
on_failure: sorry
steps:
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """Takes a number, an amount, a text, and digits that come in no header."""
    path: Path = tmp_path_factory.mktemp("flows") / "small.yaml"
    path.write_text(FLOW, "utf-8")
    return load_dialplan(path, world()).flows["small"]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attachments(clock: Clock) -> Attachments:
    return Attachments(clock)


def sent(*behind: str, headers: dict[str, str | None] | None = None, agent: str | None = "sara") -> FakeVoice:
    """A caller whom an agent sent, with this behind the number and in the headers of the REFER."""
    return FakeVoice(CallInfo("1.1", "agents", "42473000", None, agent=agent, behind=behind), headers=headers)


# -- from where --------------------------------------------------------------------------------------------------------


async def test_in_headers(flow: Flow, attachments: Attachments) -> None:
    """As digits, an amount in rial and a text; leading zeros are no part of a number, blanks of nothing."""
    came = {"X-Invoice-Id": " 0065843148 ", "X-Price": "160000", "X-Note": "gift-1", "X-Other": "1"}
    values = await brought(sent(headers=dict(came)), flow, attachments)
    assert values == {"invoice_id": "65843148", "price": 160_000, "note": "gift-1"}


async def test_behind_the_number(flow: Flow, attachments: Attachments) -> None:
    """Each after a star, in the order of the flow; what is too much is nobody's."""
    assert await brought(sent("65843148"), flow, attachments) == {"invoice_id": "65843148"}
    values = await brought(sent("65843148", "5000", "a", "07", "9"), flow, attachments)
    assert values == {"invoice_id": "65843148", "price": 5000, "note": "a", "shelf": "07"}


async def test_attached(flow: Flow, attachments: Attachments) -> None:
    """By a program, for this agent's next caller, and for one caller only."""
    attachments.attach("sara", {"invoice_id": "65843148", "unknown": "1"})
    assert await brought(sent(agent="mina"), flow, attachments) == {}
    assert await brought(sent(), flow, attachments) == {"invoice_id": "65843148"}
    assert await brought(sent(), flow, attachments) == {}


async def test_whose_word_counts(flow: Flow, attachments: Attachments) -> None:
    """What is keyed counts before what is attached, and that before a header: each for its own value."""
    attachments.attach("sara", {"invoice_id": "2222", "price": "2222"})
    headers = {"X-Invoice-Id": "3333", "X-Price": "3333", "X-Note": "3333"}
    values = await brought(sent("1111", headers=dict(headers)), flow, attachments)
    assert values == {"invoice_id": "1111", "price": 2222, "note": "3333"}


async def test_two_values_of_one_header(flow: Flow, attachments: Attachments, tmp_path: Path) -> None:
    """Both are taken."""
    (tmp_path / "small.yaml").write_text(FLOW.replace("X-Note", "X-Price"), "utf-8")
    both = load_dialplan(tmp_path / "small.yaml", world()).flows["small"]
    assert await brought(sent(headers={"X-Price": "5"}), both, attachments) == {"price": 5, "note": "5"}


async def test_a_trusted_trunk_has_no_agent(flow: Flow, attachments: Attachments) -> None:
    """Its headers are taken, and what is attached for agents stays theirs."""
    attachments.attach("sara", {"invoice_id": "2222"})
    voice = FakeVoice(CallInfo("1.1", "merchant", "42473000", None), headers={"X-Price": "5"})
    assert await brought(voice, flow, attachments) == {"price": 5}
    assert attachments.take("sara") == {"invoice_id": "2222"}


# -- what is not taken -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "header", "text"),
    [
        ("invoice_id", "X-Invoice-Id", "123"),
        ("invoice_id", "X-Invoice-Id", "1" * 13),
        ("invoice_id", "X-Invoice-Id", "۶۵۸۴۳۱۴۸"),
        ("invoice_id", "X-Invoice-Id", "6584 3148"),
        ("invoice_id", "X-Invoice-Id", "0000"),
        ("invoice_id", "X-Invoice-Id", ""),
        ("price", "X-Price", "0"),
        ("price", "X-Price", "-5"),
        ("price", "X-Price", "1.5"),
        ("note", "X-Note", "../../x"),
        ("note", "X-Note", "a b"),
        ("note", "X-Note", "x\r\nX"),
    ],
)
async def test_what_is_not_as_the_flow_wants_it(
    flow: Flow, attachments: Attachments, name: str, header: str, text: str
) -> None:
    """The caller is asked as if nothing had come; the log names the value and never says it."""
    with capture_logs() as lines:
        assert await brought(sent(headers={header: text}), flow, attachments) == {}
    assert [(line["event"], line["name"], line["agent"]) for line in lines] == [("brought_not_taken", name, "sara")]
    assert not text.strip() or text not in str(lines)


async def test_a_wrong_value_that_is_keyed_hides_the_others(flow: Flow, attachments: Attachments) -> None:
    """An agent who slipped meant another invoice than the one attached: the caller is asked."""
    attachments.attach("sara", {"invoice_id": "2222"})
    with capture_logs():
        assert await brought(sent("11"), flow, attachments) == {}


async def test_headers_that_cannot_be_read(flow: Flow, attachments: Attachments) -> None:
    """The connection to Asterisk is gone: a line in the log, and what was keyed still counts."""
    voice = sent("65843148", headers={"X-Price": "5"})
    voice.breaks.on("headers", Unusable("no connection"))
    with capture_logs() as lines:
        assert await brought(voice, flow, attachments) == {"invoice_id": "65843148"}
    assert [line["event"] for line in lines] == ["headers_not_read"]


def test_who_may_bring(flow: Flow) -> None:
    """Our own people and trusted trunks, to flows that want something; nobody else."""
    trusted = frozenset({"merchant"})
    public, merchant = (CallInfo("1", trunk, "2", None, behind=("1111",)) for trunk in ("public", "merchant"))
    assert may_bring(sent().info, flow, trusted) and may_bring(merchant, flow, trusted)
    assert not may_bring(public, flow, trusted)
    plain = flow.__class__(flow.name, flow.version, flow.first, flow.on_failure, flow.steps)
    assert not may_bring(sent().info, plain, trusted)


# -- attached ----------------------------------------------------------------------------------------------------------


def test_the_newest_attachment_counts(attachments: Attachments) -> None:
    """Another one takes its place, whole; an empty one takes it away."""
    attachments.attach("sara", {"invoice_id": "1111", "price": "5"})
    attachments.attach("sara", {"invoice_id": "2222"})
    assert attachments.take("sara") == {"invoice_id": "2222"}
    attachments.attach("sara", {"invoice_id": "1111"})
    attachments.attach("sara", {})
    assert attachments.take("sara") == {}


def test_an_attachment_is_forgotten_in_time(attachments: Attachments, clock: Clock) -> None:
    """An agent who never sent that caller does not give the invoice to another one much later."""
    attachments.attach("sara", {"invoice_id": "1111"})
    clock.now += KEPT_SECONDS - 1
    attachments.attach("mina", {"invoice_id": "2222"})
    clock.now += 2
    assert attachments.take("sara") == {} and attachments.take("mina") == {"invoice_id": "2222"}


def test_an_old_attachment_takes_no_newer_one_along(attachments: Attachments, clock: Clock) -> None:
    """The one that was replaced is past its time; the one in its place is not."""
    attachments.attach("sara", {"invoice_id": "1111"})
    clock.now += KEPT_SECONDS - 1
    attachments.attach("sara", {"invoice_id": "2222"})
    clock.now += 2
    assert attachments.take("sara") == {"invoice_id": "2222"}


def test_attachments_are_bounded(attachments: Attachments) -> None:
    """A program that attaches without end costs a bounded number of places, one agent's own attachments included."""
    for number in range(MOST_ATTACHED + 5):
        attachments.attach(f"agent-{number}", {"invoice_id": "1111"})
    assert attachments.take("agent-0") == {} and attachments.take(f"agent-{MOST_ATTACHED + 4}") != {}
    for _ in range(MOST_ATTACHED + 5):
        attachments.attach("sara", {"invoice_id": "2222"})
    assert attachments.take("sara") == {"invoice_id": "2222"}
    assert len(attachments) <= MOST_ATTACHED + 1
