"""Agents and queues of config/ivr.yaml: what is read, and that every fault is named with its line."""

from pathlib import Path

import pytest

from ivr.asterisk.settings import Agent, AsteriskSettings, Queue, Strategy
from ivr.config import load_settings
from ivr.domain.reading import Faults
from ivr.domain.secret import Secret

CONFIG = """asterisk:
  ari: {password: {env: TEST_ARI}}
trunks:
  bank: {host: 127.0.0.2}
  seller: {host: 127.0.0.3, username: u-77, password: {env: TEST_ARI}}
providers: {}
"""
AGENT = "agents:\n  sara: {password: {env: TEST_SARA}%s}\n"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_ARI", "x")
    monkeypatch.setenv("TEST_SARA", "sesame")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ivr.yaml"


def load(file: Path, text: str) -> AsteriskSettings:
    file.write_text(CONFIG + text, encoding="utf-8")
    return load_settings(file).asterisk


def faults(file: Path, text: str) -> list[str]:
    """line:column: message, the line counted from the text's own first."""
    with pytest.raises(Faults) as caught:
        load(file, text)
    first = CONFIG.count("\n")
    return [f"{fault.line - first}:{fault.column}: {fault.message}" for fault in caught.value.faults]


def test_nobody_by_default(file: Path) -> None:
    """A site without agents says nothing of them."""
    settings = load(file, "")
    assert settings.agents == () and settings.queues == () and not settings.has_people


def test_an_agent_and_a_queue(file: Path) -> None:
    """A name and a password are enough for a phone, and a name for a queue; a password is never shown."""
    settings = load(file, AGENT % "" + "queues:\n  sales: {agents: [sara]}\n")
    assert settings.agents == (Agent("sara", Secret("sesame")),)
    assert settings.queues == (Queue("sales", ("sara",)),)
    assert settings.has_people and "sesame" not in repr(settings)


def test_everything_that_can_be_said(file: Path) -> None:
    """A number for colleagues, codecs, how a queue rings, and how many may wait in it."""
    text = """agents:
  sara: {password: {env: TEST_SARA}, number: "101", codecs: [g722, alaw]}
  front-desk-2: {password: {env: TEST_SARA}, number: "102"}
queues:
  sales: {agents: [sara, front-desk-2], strategy: round_robin, ring_for: 25s, most_waiting: 10}
  nobody: {agents: []}
"""
    settings = load(file, text)
    assert [(a.name, a.number, a.codecs) for a in settings.agents] == [
        ("sara", "101", ("g722", "alaw")),
        ("front-desk-2", "102", ("alaw", "ulaw")),
    ]
    assert settings.queues == (
        Queue("sales", ("sara", "front-desk-2"), Strategy.ROUND_ROBIN, 25, 10),
        Queue("nobody", ()),
    )


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("agents:\n  sara: {}\n", "2:9: agent 'sara' needs 'password'"),
        (AGENT % ", numbr: '1'", "2:38: agent 'sara' has no field 'numbr' (did you mean 'number'?)"),
        (AGENT % ', number: "10a"', "2:46: 'number' must be digits, at which colleagues dial this phone"),
        (AGENT % f', number: "{"1" * 16}"', "2:46: 'number' must be digits, at which colleagues dial this phone"),
        (AGENT % ', number: "۱۰۱"', "2:46: 'number' must be digits, at which colleagues dial this phone"),
        (AGENT % ", number: 101", "2:46: 'number' must be quoted: \"101\""),
        (AGENT % ", codecs: [alw]", "2:47: 'alw' is none of alaw, ulaw, g722, gsm (did you mean 'alaw'?)"),
        (
            AGENT % ', number: "101"' + '  mina: {password: {env: TEST_SARA}, number: "101"}\n',
            "3:46: another agent has the number 101 already",
        ),
        (AGENT.replace("sara:", "Sara:") % "", "2:3: 'Sara' cannot be an agent's name: letters a-z, digits and - only"),
        (AGENT.replace("sara:", "s_a:") % "", "2:3: 's_a' cannot be an agent's name: letters a-z, digits and - only"),
        (AGENT.replace("sara:", "'7a':") % "", "2:3: '7a' cannot be an agent's name: letters a-z, digits and - only"),
        (AGENT.replace("sara:", "سارا:") % "", "2:3: 'سارا' cannot be an agent's name: letters a-z, digits and - only"),
        (AGENT.replace("sara:", "agents:") % "", "2:3: 'agents' cannot be an agent's name"),
        (AGENT.replace("sara:", "bank:") % "", "2:3: 'bank' cannot be an agent's name: it is a trunk's"),
        (AGENT.replace("sara:", "u-77:") % "", "2:3: 'u-77' cannot be an agent's name: it is a trunk's"),
        ("queues:\n  sales: {}\n", "2:10: queue 'sales' needs 'agents'"),
        (
            AGENT % "" + "queues:\n  sales: {agents: [sarah]}\n",
            "4:20: there is no agent 'sarah' (did you mean 'sara'?)",
        ),
        (
            "queues:\n  sales: {agents: [], strategy: ringall}\n",
            "2:33: 'strategy' must be one of ring_all, least_recent",
        ),
        ("queues:\n  sales: {agents: [], ring_for: 20}\n", "2:33: 'ring_for' must be a duration with its unit"),
        ("queues:\n  sales: {agents: [], ring_for: 1s}\n", "2:33: 'ring_for' must be between 2s and 300s, not 1s"),
        ("queues:\n  sales: {agents: [], most_waiting: 1001}\n", "2:37: 'most_waiting' must be between 0 and 1000"),
        ("queues:\n  agent-sara: {agents: []}\n", "2:3: 'agent-sara' cannot be a queue's name"),
        ("queues:\n  general: {agents: []}\n", "2:3: 'general' cannot be a queue's name"),
        ("queues:\n  Sales: {agents: []}\n", "2:3: 'Sales' cannot be a queue's name"),
    ],
)
def test_every_fault_has_its_place(file: Path, text: str, fault: str) -> None:
    """Line and column, and what would be right."""
    found = faults(file, text)
    assert any(one.startswith(fault) for one in found), found


AMI = "asterisk:\n  ari: {password: {env: TEST_ARI}}\n  ami: {password: {env: TEST_ARI}}\n"
PLAIN = "asterisk:\n  ari: {password: {env: TEST_ARI}}\n"


def with_asterisk(file: Path, asterisk: str, text: str) -> list[str]:
    """line: message of each fault, with another `asterisk`; [] when there is none."""
    file.write_text(CONFIG.replace(PLAIN, asterisk) + text, encoding="utf-8")
    try:
        load_settings(file)
    except Faults as faults:
        return [f"{fault.line}: {fault.message}" for fault in faults.faults]
    return []


def test_agents_who_stay_on_the_line(file: Path) -> None:
    """The manager, the number of `*7`, and music; and a manager without agents is no fault."""
    everything = AMI + "  assist_number: '42473051'\n  music: /var/music\n"
    assert with_asterisk(file, everything, AGENT % ", record: true") == []
    settings = load_settings(file)
    assert (settings.asterisk.assist_number, settings.asterisk.music) == ("42473051", "/var/music")
    assert settings.asterisk.agents[0].record and settings.assist_number_at == (4, 18)
    assert with_asterisk(file, AMI, "") == []


@pytest.mark.parametrize(
    ("asterisk", "text", "fault"),
    [
        (AMI + "  assist_number: '4247a'\n", AGENT % "", "4: 'assist_number' must be digits: one of your numbers"),
        (AMI + "  assist_number: '۴۲۴۷'\n", AGENT % "", "4: 'assist_number' must be digits"),
        (AMI + "  assist_number: 4247\n", AGENT % "", "4: 'assist_number' must be quoted"),
        (AMI + "  assist_number: '4247'\n", "", "4: 'assist_number' says nothing without 'agents'"),
        (PLAIN + "  assist_number: '4247'\n", AGENT % "", "3: 'assist_number' needs 'ami'"),
        (AMI + "  music: music\n", AGENT % "", "4: 'music' must be an absolute path"),
        (AMI + "  music: '/a;b'\n", AGENT % "", "2: music"),
        (PLAIN, AGENT % ", record: true", "8: 'record' needs 'asterisk: {ami: …}'"),
        (PLAIN, AGENT % "" + "queues:\n  sales: {agents: [sara], record: true}\n", "10: 'record' needs 'asterisk:"),
        (AMI, AGENT % ", record: yes please", "9: 'record' must be true or false"),
        (
            AMI.replace("{password: {env: TEST_ARI}}\n  ami", "{password: x}\n  ami"),
            "",
            "2: 'password' is a credential",
        ),
        (PLAIN + "  ami: {}\n", "", "3: ami needs 'password'"),
        (PLAIN, "web: {api_key: geheim}\n", "7: 'api_key' is a credential: write {env: NAME}"),
        (PLAIN, "web: {api_key: {env: TEST_NO_KEY}}\n", "7: the environment has no TEST_NO_KEY"),
        (PLAIN, "web: {api_key: {env: TEST_BLANK}}\n", "7: 'api_key' may hold printable ASCII without blanks only"),
        (PLAIN, "web: {api_key: {env: TEST_PERSIAN}}\n", "7: 'api_key' may hold printable ASCII"),
        (PLAIN, "web: {apikey: {env: TEST_ARI}}\n", "7: web has no field 'apikey' (did you mean 'api_key'?)"),
    ],
)
def test_what_agents_need_of_the_rest(
    file: Path, monkeypatch: pytest.MonkeyPatch, asterisk: str, text: str, fault: str
) -> None:
    """What would not work, or would let a recording hear a card, is found before anybody calls."""
    monkeypatch.setenv("TEST_BLANK", "two words")
    monkeypatch.setenv("TEST_PERSIAN", "کلید")
    found = with_asterisk(file, asterisk, text)
    assert any(one.startswith(fault) for one in found), found


def test_the_readme_s_example_can_be_copied(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An admin who begins with it begins with something that works."""
    readme = (Path(__file__).parents[2] / "dialplan" / "README.md").read_text("utf-8")
    example = readme.partition("## Agents")[2].partition("```yaml\n")[2].partition("```")[0]
    monkeypatch.setenv("MINA_PASSWORD", "x")
    monkeypatch.setenv("SARA_PASSWORD", "x")
    settings = load(file, example)
    assert [agent.name for agent in settings.agents] == ["sara", "mina"]
    assert settings.queues == (Queue("sales", ("sara", "mina"), Strategy.RING_ALL, 20, 10),)


def test_a_password_that_is_not_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named by where it should be."""
    monkeypatch.delenv("TEST_SARA")
    [fault] = faults(file, AGENT % "")
    assert "TEST_SARA" in fault


def test_a_password_that_asterisk_cannot_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before Asterisk is touched, and not shown."""
    monkeypatch.setenv("TEST_SARA", "ses\\ame")
    [fault] = faults(file, AGENT % "")
    assert "agent sara: password must be printable ASCII" in fault and "ame" not in fault.replace("name", "")


def test_a_trunk_that_is_called_like_the_agents(file: Path) -> None:
    """Their calls come from there; no trunk can be taken for it."""
    file.write_text(CONFIG.replace("  bank:", "  agents:") + AGENT % "", encoding="utf-8")
    with pytest.raises(Faults, match="a trunk cannot be called agents"):
        load_settings(file)
