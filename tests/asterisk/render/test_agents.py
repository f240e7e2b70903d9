"""What Asterisk is told of our own people: their phones, their queues, and where calls with them can lead."""

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.asterisk.render import check, render
from ivr.asterisk.settings import Agent, Queue, Strategy
from ivr.domain.errors import BadInput
from ivr.domain.secret import Secret
from tests.asterisk.render.test_render import BANK, EVIL, SETTINGS, blocks, one

SARA = Agent("sara", Secret("open;sesame"), "101", ("g722", "alaw"))
MINA = Agent("mina", Secret("another-one"))
PEOPLE = replace(
    SETTINGS,
    trunks=(BANK, replace(BANK, name="merchant", host="192.0.2.9", match=("192.0.2.9",), trust_headers=True)),
    agents=(SARA, MINA),
    queues=(Queue("sales", ("sara", "mina"), Strategy.ROUND_ROBIN, 25, 10), Queue("nobody", ())),
)
NUMBERS = ["42473000", "4247XXXX"]


def context(directory: Path, name: str) -> list[str]:
    """The lines of one context."""
    text = (directory / "extensions.conf").read_text()
    return text.partition(f"[{name}]\n")[2].partition("\n[")[0].splitlines()


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    render(PEOPLE, NUMBERS, tmp_path)
    return tmp_path


# -- nobody ------------------------------------------------------------------------------------------------------------


def test_nothing_is_said_where_there_are_none(tmp_path: Path) -> None:
    """No context, no module, no key and no file for people that nobody has."""
    render(SETTINGS, NUMBERS, tmp_path)
    assert not (tmp_path / "queues.conf").exists() and blocks(tmp_path / "features.conf") == []
    for file in tmp_path.iterdir():
        text = file.read_text()
        for word in ("agents", "ivr-transfer", "app_queue", "registrar", "IVR_QUEUE", "blindxfer", "*X."):
            assert word not in text, f"{word} in {file.name}"


# -- phones ------------------------------------------------------------------------------------------------------------


def test_a_phone_registers_by_password(rendered: Path) -> None:
    """One phone for each agent, known by its credentials and by nothing else."""
    sip = rendered / "pjsip.conf"
    assert one(sip, "sara", "auth") == {
        "type": "auth",
        "auth_type": "userpass",
        "username": "sara",
        "password": r"open\;sesame",
    }
    assert one(sip, "sara", "aor")["max_contacts"] == "1"
    endpoint = one(sip, "sara", "endpoint")
    assert (endpoint["identify_by"], endpoint["auth"], endpoint["context"]) == ("auth_username", "sara", "from-agents")
    assert (endpoint["allow"], endpoint["direct_media"], endpoint["dtmf_mode"]) == ("g722,alaw", "no", "rfc4733")
    assert endpoint["callerid"] == '"sara" <101>' and one(sip, "mina", "endpoint")["callerid"] == '"mina" <mina>'
    assert endpoint["device_state_busy_at"] == "1"
    assert not re.search(r"type = identify\nendpoint = (sara|mina)", sip.read_text())


def test_passwords_are_in_secret_files_only(rendered: Path) -> None:
    """Those that others may read do not hold them."""
    holding = [file for file in rendered.iterdir() if "sesame" in file.read_text() or "another-one" in file.read_text()]
    assert [file.name for file in holding] == ["pjsip.conf"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600


def test_what_their_calls_need_is_loaded(rendered: Path) -> None:
    """Their codecs included, though no trunk has them."""
    modules = (rendered / "modules.conf").read_text()
    for module in ("app_queue", "res_pjsip_registrar", "res_pjsip_refer", "bridge_builtin_features", "codec_g722"):
        assert f"load = {module}.so" in modules


# -- where calls can lead ----------------------------------------------------------------------------------------------


def test_no_context_dials_a_trunk(rendered: Path) -> None:
    """What the dialplan itself dials are our own people's phones, and from their own context only."""
    text = (rendered / "extensions.conf").read_text()
    assert re.findall(r"Dial\(([^)]*)\)", text) == ["PJSIP/sara,30,t"]
    assert [line for line in context(rendered, "from-agents") if "Dial(" in line] == [
        "exten = 101,1,Dial(PJSIP/sara,30,t)"
    ]
    assert "include" not in text and "Goto(${" not in text


def test_what_agents_may_dial(rendered: Path) -> None:
    """Our numbers, with or without a value behind them, and colleagues; no other extension is there."""
    extensions = [line.split(",")[0].removeprefix("exten = ") for line in context(rendered, "from-agents")]
    assert [one for one in extensions if not one.startswith("same")] == [
        *("42473000", "_4247XXXX", "_42473000*X.", "_4247XXXX*X.", "101")
    ]


def test_a_value_behind_the_number_is_for_those_who_may_be_believed(rendered: Path) -> None:
    """A trusted trunk may send one, any other is answered 404."""
    assert "*X." in "".join(context(rendered, "from-merchant"))
    assert "*X." not in "".join(context(rendered, "from-bank"))


def test_a_caller_whom_an_agent_sends_is_counted_and_named(rendered: Path) -> None:
    """Each time is a call of its own; who is asked again while we are away is not counted again."""
    lines = context(rendered, "from-agents")
    assert lines[0] == "exten = 42473000,1,Set(IVR_COMES=$[0${IVR_COMES} + 1])"
    came = "Stasis(ivr,agents,${CALLERID(pres)},comes=${IVR_COMES}"
    assert lines[1] == f"same = n(enter),{came},by=${{BLINDTRANSFER}},asked=${{ATTENDEDTRANSFER}})"
    assert "same = n,Goto(enter)" in lines


def test_no_agent_makes_a_threesome(rendered: Path) -> None:
    """With Asterisk's own keys for it, an agent would hear and be sent every digit of a card."""
    text = (rendered / "features.conf").read_text()
    assert "atxferthreeway = \n" in text and "atxferswap = \n" in text


def test_a_caller_comes_back_from_a_queue(rendered: Path) -> None:
    """By our application alone, with the token and the outcome; while we are away they wait, and do not queue again."""
    lines = context(rendered, "ivr-transfer")
    assert lines[1] == "same = n,Queue(${IVR_QUEUE},tcr,,${IVR_TELL},${IVR_WAIT})"
    assert (
        lines[2].startswith("same = n(back),Stasis(ivr,agents,") and "back=${IVR_TOKEN},how=${QUEUESTATUS})" in lines[2]
    )
    assert "same = n,Goto(back)" in lines
    text = (rendered / "extensions.conf").read_text()
    assert text.count("Queue(") == 1 and "ivr-transfer" not in text.replace("[ivr-transfer]", "")


# -- queues ------------------------------------------------------------------------------------------------------------


def test_queues(rendered: Path) -> None:
    """The admin's own, and one for each agent alone; nobody waits where nobody can answer."""
    queues = dict(blocks(rendered / "queues.conf"))
    assert list(queues) == ["general", "agent-sara", "agent-mina", "sales", "nobody"]
    sales, alone = queues["sales"], queues["agent-sara"]
    assert (sales["strategy"], sales["timeout"], sales["maxlen"]) == ("rrmemory", "25", "10")
    assert alone["member"] == "PJSIP/sara,0,sara,PJSIP/sara" and "member" not in queues["nobody"]
    for queue in (sales, alone, queues["nobody"]):
        assert queue["joinempty"] == queue["leavewhenempty"] == "unavailable,invalid,unknown,paused"
        assert queue["ringinuse"] == "no" and queue["reportholdtime"] == "no"
    text = (rendered / "queues.conf").read_text()
    assert text.count("member = PJSIP/sara") == 2 and "persistentmembers = no" in text


@pytest.mark.parametrize("strategy", Strategy)
def test_every_strategy_is_one_of_asterisk_s(strategy: Strategy, tmp_path: Path) -> None:
    """Its name there."""
    render(replace(PEOPLE, queues=(Queue("sales", ("sara",), strategy),)), [], tmp_path)
    known = {"ringall", "leastrecent", "fewestcalls", "rrmemory", "random"}
    assert dict(blocks(tmp_path / "queues.conf"))["sales"]["strategy"] in known


def test_the_keys_of_a_transfer(rendered: Path) -> None:
    """From any phone, blind and attended."""
    assert dict(blocks(rendered / "features.conf"))["featuremap"] == {"blindxfer": "##", "atxfer": "*2"}


def test_queues_without_anybody(tmp_path: Path) -> None:
    """A site that is about to have agents can have its queue already."""
    render(replace(SETTINGS, queues=(Queue("sales", ()),)), NUMBERS, tmp_path)
    assert "sales" in dict(blocks(tmp_path / "queues.conf"))


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", [evil for evil in EVIL if evil])
@pytest.mark.parametrize("place", ["agent", "number", "codec", "queue"])
def test_no_text_leaves_its_place(place: str, evil: str, tmp_path: Path) -> None:
    """A name can never become a line, a section or a command of its own; nothing is written."""
    agent, queue = SARA, Queue("sales", ("sara",))
    match place:
        case "agent":
            agent = replace(agent, name=evil)
        case "number":
            agent = replace(agent, number=evil)
        case "codec":
            agent = replace(agent, codecs=(evil,))
        case _:
            queue = replace(queue, name=evil)
    settings = replace(PEOPLE, agents=(agent,), queues=(replace(queue, agents=(agent.name,)),))
    with pytest.raises(BadInput):
        render(settings, NUMBERS, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"trunks": (replace(BANK, name="agents"),)}, "a trunk cannot be called agents"),
        ({"trunks": (replace(BANK, name="sara"),)}, "sara is both an agent and a trunk"),
        ({"trunks": (replace(BANK, username="sara", password=Secret("x")),)}, "sara is both an agent and a trunk"),
        ({"queues": (Queue("agent-sara", ()),)}, "agents' own queues"),
        ({"queues": (Queue("sales", ("nobody",)),)}, "there is no agent nobody"),
        ({"queues": (Queue("general", ()),)}, "a queue cannot be called general"),
        ({"agents": (replace(SARA, codecs=()),), "queues": ()}, "no codec"),
        ({"agents": (replace(SARA, password=Secret("hush\nb")),), "queues": ()}, "password"),
    ],
)
def test_names_that_would_stand_for_two_things(change: dict[str, object], about: str, tmp_path: Path) -> None:
    """Found when the configuration is read, and again when it is written."""
    settings = replace(PEOPLE, **change)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=about) as refusal:
        check(settings)
    assert "hush" not in str(refusal.value)
    with pytest.raises(BadInput, match=about):
        render(settings, NUMBERS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_colleague_s_number_that_callers_dial(tmp_path: Path) -> None:
    """One extension cannot lead to two places."""
    with pytest.raises(BadInput, match="agent sara: 101 is a number of ours"):
        render(PEOPLE, [*NUMBERS, "101"], tmp_path)
