"""`ivr agents` as people and programs meet it, beside a process that takes calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import Result

from ivr.domain.errors import BadInput, Unusable
from ivr.flow.progress import Progress
from ivr.runtime.brought import Attachments
from ivr.runtime.ports import QueueState
from ivr.runtime.reloader import Reloaded
from ivr.runtime.watching import Watching
from ivr.web.control import control_app, control_listener
from ivr.web.people import Desk, people_routes
from tests.deployment import Deployment, fake_recordings
from tests.serving import serving
from tests.test_cli import ivr


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("recordings"))


@dataclass
class Site:
    """A deployment whose process knows two agents."""

    deployment: Deployment
    attachments: Attachments = field(default_factory=lambda: Attachments(lambda: 0.0))
    watching: Watching = field(default_factory=Watching)
    assisted: list[tuple[str, str | None]] = field(default_factory=list)
    problem: Exception | None = None

    async def assist(self, agent: str, number: str | None) -> str:
        self.assisted.append((agent, number))
        if self.problem is not None:
            raise self.problem
        return "1700000000.12"

    async def ivr(self, *arguments: str) -> Result:
        return await asyncio.to_thread(ivr, self.deployment, "agents", *arguments)


@pytest.fixture
def deployment(tmp_path: Path, recordings: Path) -> Deployment:
    deployment = Deployment(tmp_path, recordings).write()
    deployment.storage.mkdir()
    return deployment


@pytest.fixture
async def site(deployment: Deployment) -> AsyncIterator[Site]:
    async def reload(how: str, who: str) -> Reloaded:
        raise AssertionError("nobody reloads")

    async def queues() -> list[QueueState]:
        return [QueueState("sales", ("sara", "mina"), (41, 7)), QueueState("night", (), ())]

    site = Site(deployment)
    states = {"sara": "NOT_INUSE", "mina": "UNAVAILABLE"}
    desk = Desk(lambda: states, queues, site.attachments, site.watching, site.assist, lambda number: number == "4247")
    with control_listener(deployment.storage) as listener:
        async with serving(control_app(reload, people_routes(desk, None)), listener):
            yield site


def refused(ran: Result) -> str:
    """One line on stderr, nothing on stdout, status 1."""
    assert ran.exit_code == 1 and ran.stdout == "" and len(ran.stderr.splitlines()) == 1
    return ran.stderr


async def test_list(site: Site) -> None:
    """For people and for programs."""
    assert "sara" in (ran := await site.ivr("list")).stdout and "NOT_INUSE" in ran.stdout
    assert json.loads((await site.ivr("list", "--json")).stdout) == [
        {"name": "sara", "phone": "NOT_INUSE"},
        {"name": "mina", "phone": "UNAVAILABLE"},
    ]


async def test_queues(site: Site) -> None:
    """Who takes calls, and the longest wait."""
    assert (await site.ivr("queues")).stdout.splitlines() == [
        "sales  sara, mina; 2 waiting, up to 41 s",
        "night  nobody; 0 waiting",
    ]
    assert json.loads((await site.ivr("queues", "--json")).stdout)[0]["waits"] == [41, 7]


async def test_attach(site: Site) -> None:
    """What goes along with the agent's next transfer."""
    assert (await site.ivr("attach", "sara", "invoice_id=65843148", "item=a-1")).exit_code == 0
    assert site.attachments.take("sara") == {"invoice_id": "65843148", "item": "a-1"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sara", "65843148"), "name=value"),
        (("sara", "=1"), "name=value"),
        (("sara", "invoice_id="), "'invoice_id' must be"),
        (("sara", "invoice_id=1 2"), "'invoice_id' must be"),
        (("sara", "Invoice=1"), "small letters"),
        (("nobody", "invoice_id=1"), "no such agent"),
        (("sara/../x", "invoice_id=1"), "letters, digits and -"),
        (("sara\r\nX: y", "invoice_id=1"), "letters, digits and -"),
        (("", "invoice_id=1"), "letters, digits and -"),
        (("sara", f"invoice_id={'1' * 5000}"), "longer than"),
    ],
)
async def test_attach_refused(site: Site, arguments: tuple[str, ...], said: str) -> None:
    """One sentence; nothing is attached."""
    assert said in refused(await site.ivr("attach", *arguments))
    assert len(site.attachments) == 0


async def test_assist(site: Site) -> None:
    """Prints the call's id."""
    ran = await site.ivr("assist", "sara", "--number", "4247", "invoice_id=65843148")
    assert ran.exit_code == 0 and ran.stdout == "1700000000.12\n"
    assert site.assisted == [("sara", "4247")] and site.attachments.take("sara") == {"invoice_id": "65843148"}
    await site.ivr("assist", "sara")
    assert site.assisted[-1] == ("sara", None)


async def test_assist_refused(site: Site) -> None:
    """Why: a number that is none of ours, an agent who talks to nobody, an Asterisk that is away."""
    assert "none of ours" in refused(await site.ivr("assist", "sara", "--number", "1"))
    site.problem = BadInput("agent 'sara' is not talking to a caller now")
    assert "not talking" in refused(await site.ivr("assist", "sara"))
    site.problem = Unusable("Asterisk did not move the call")
    assert "did not move" in refused(await site.ivr("assist", "sara"))
    site.problem = RuntimeError("a bug")
    assert "look at the log" in refused(await site.ivr("assist", "sara"))


async def test_call(site: Site) -> None:
    """JSON; empty before there was one."""
    assert json.loads((await site.ivr("call", "sara")).stdout) == {}
    site.watching.show("sara", Progress("1.2", "f", "s", "card", 3, 16, private=True, over=False))
    told = json.loads((await site.ivr("call", "sara")).stdout)
    assert (told["asks"], told["keyed"], told["of"]) == ("card", 3, 16)


def test_nobody_takes_calls(deployment: Deployment) -> None:
    """Said so, for each of them."""
    for arguments in (("list",), ("attach", "sara", "a=1"), ("assist", "sara"), ("call", "sara")):
        assert "no `ivr serve` is running" in refused(ivr(deployment, "agents", *arguments))
