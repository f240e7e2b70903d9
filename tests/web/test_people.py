"""What programs do for agents, over real HTTP: who may, what is refused, and what a watcher is told."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from ivr.domain.errors import BadInput, Unusable
from ivr.domain.secret import Secret
from ivr.flow.progress import Progress
from ivr.runtime import watching as watching_module
from ivr.runtime.brought import Attachments
from ivr.runtime.ports import QueueState
from ivr.runtime.watching import MOST_NEWS, Watching
from ivr.web.people import MOST_BODY, MOST_VALUES, Desk, people_routes
from tests.serving import serving

KEY = "a-long-key-of-the-shop"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
PATIENCE = 5.0


def progress(keyed: int = 0, *, over: bool = False) -> Progress:
    return Progress("1700000000.12~1", "pay_by_card", "ask_card", "card", keyed, 16, not over, over)


@dataclass
class Office:
    """The application, and what it was asked for."""

    web: httpx.AsyncClient
    attachments: Attachments = field(default_factory=lambda: Attachments(lambda: 0.0))
    watching: Watching = field(default_factory=Watching)
    assisted: list[tuple[str, str | None]] = field(default_factory=list)
    problem: Exception | None = None

    async def assist(self, agent: str, number: str | None) -> str:
        self.assisted.append((agent, number))
        if self.problem is not None:
            raise self.problem
        return "1700000000.12"

    def desk(self) -> Desk:
        states = {"sara": "NOT_INUSE", "mina": "INUSE"}
        return Desk(
            lambda: states, self.queues, self.attachments, self.watching, self.assist, lambda number: number == "4247"
        )

    async def queues(self) -> list[QueueState]:
        if self.problem is not None:
            raise self.problem
        return [QueueState("sales", ("sara", "mina"), (41, 7))]

    def watchers(self) -> int:
        return sum(map(len, self.watching._watchers.values()))

    async def until_watched(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.watchers() != times:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    async def post(self, path: str, body: object = None, **more: Any) -> httpx.Response:
        return await self.web.post(f"/api/agents/{path}", json=body, headers=WITH_KEY, **more)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        office = Office(httpx.AsyncClient(base_url=url, timeout=PATIENCE))
        app = Starlette(routes=people_routes(office.desk(), Secret(KEY)))
        await stack.enter_async_context(serving(app, listener))
        await stack.enter_async_context(office.web)  # first to go: a server waits for its streams
        yield office


# -- who may -----------------------------------------------------------------------------------------------------------

ROUTES = [
    ("GET", "/api/agents"),
    ("POST", "/api/agents/sara/attach"),
    ("POST", "/api/agents/sara/assist"),
    ("GET", "/api/agents/sara/call"),
    ("GET", "/api/agents/sara/events"),
]


WRONG: list[Mapping[str, Any]] = [
    {},
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Bearer {KEY}x"},
    {"Authorization": f"Basic {KEY}"},
    {"Authorization": KEY},
    {"Authorization": "Bearer"},
    {"Authorization": b"Bearer \xff\xfe"},
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_without_the_key(office: Office, method: str, path: str) -> None:
    """Nothing is told and nothing is done, whoever asks for whatever."""
    for headers in WRONG:
        answer = await office.web.request(method, path, headers=headers)
        assert answer.status_code == 401 and "key" in answer.json()["detail"] and KEY not in answer.text
    assert office.assisted == [] and len(office.attachments) == 0 and office.watchers() == 0


async def test_the_key(office: Office) -> None:
    """Every agent and the state of their phone; the word before the key may be written in any case."""
    answer = await office.web.get("/api/agents", headers={"Authorization": f"bearer  {KEY}"})
    assert answer.json() == {"agents": [{"name": "sara", "phone": "NOT_INUSE"}, {"name": "mina", "phone": "INUSE"}]}


async def test_where_no_key_is_asked_for() -> None:
    """Through the control socket, which only its owner and group can open."""
    office = Office(httpx.AsyncClient())
    app = Starlette(routes=people_routes(office.desk(), None))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ivr") as web:
        assert (await web.get("/api/agents")).status_code == 200
    await office.web.aclose()


# -- attach ------------------------------------------------------------------------------------------------------------


async def test_attached(office: Office) -> None:
    """The answer names what is attached, not its value; it waits for that agent alone."""
    answer = await office.post("sara/attach", {"invoice_id": "65843148"})
    assert answer.json() == {"agent": "sara", "attached": ["invoice_id"]} and "65843148" not in answer.text
    assert office.attachments.take("mina") == {} and office.attachments.take("sara") == {"invoice_id": "65843148"}


async def test_detached(office: Office) -> None:
    """Nothing takes the place of what was attached."""
    for body in (b"", b"{}", b" \n"):
        await office.post("sara/attach", {"invoice_id": "1"})
        answer = await office.web.post("/api/agents/sara/attach", content=body, headers=WITH_KEY)
        assert answer.status_code == 200 and office.attachments.take("sara") == {}


HOSTILE: list[bytes] = [
    b"x" * 10_240,
    b"[" * 4000,
    b'{"a":' * 800 + b"1" + b"}" * 800,
    b"[]",
    b'"text"',
    b"5",
    b"\xff\xfe",
    b"{",
    b'{"invoice_id": 65843148}',
    b'{"invoice_id": null}',
    b'{"invoice_id": true}',
    b'{"invoice_id": ["1"]}',
    b'{"invoice_id": {"a": "1"}}',
    b'{"invoice_id": ""}',
    b'{"invoice_id": "1\\r\\nAction: Hangup"}',
    b'{"invoice_id": "1\\u0000"}',
    b'{"invoice_id": "1 2"}',
    '{"invoice_id": "۱۲۳"}'.encode(),
    b'{"invoice_id": "' + b"1" * 65 + b'"}',
    b'{"Invoice-Id": "1"}',
    b'{"invoice_id\\r\\n": "1"}',
    b'{"": "1"}',
    json.dumps({f"v{number}": "1" for number in range(MOST_VALUES + 1)}).encode(),
    b'{"invoice_id": NaN}',
    b'{"invoice_id": 1e999}',
]


@pytest.mark.parametrize("path", ["attach", "assist"])
async def test_a_hostile_body(office: Office, path: str) -> None:
    """A refusal in one sentence that repeats no value; nothing is attached, nobody is moved."""
    for body in HOSTILE:
        answer = await office.web.post(f"/api/agents/sara/{path}", content=body, headers=WITH_KEY)
        assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json", body
        assert len(answer.json()["detail"]) < 200 and "Hangup" not in answer.text
    assert len(office.attachments) == 0 and office.assisted == []


async def test_a_body_without_end(office: Office) -> None:
    """Refused as soon as it is too long, and not read to its end."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 200 * MOST_BODY:
            sent += MOST_BODY
            yield b" " * MOST_BODY

    try:
        answer = await office.web.post("/api/agents/sara/attach", content=chunks(), headers=WITH_KEY)
        assert answer.status_code == 422
    except httpx.TransportError:
        pass  # it hung up while we were still writing
    assert len(office.attachments) == 0


async def test_an_agent_whom_nobody_knows(office: Office) -> None:
    """Refused; where it is no name at all there is no such place."""
    for agent in ("nobody", "SARA", "sara%0d%0aX", "..", "%F0%9F%93%9E", "sara%2Fattach"):
        for path in ("attach", "assist"):
            answer = await office.web.post(f"/api/agents/{agent}/{path}", json={"invoice_id": "1"}, headers=WITH_KEY)
            assert answer.status_code in (404, 422)
        for path in ("call", "events"):
            assert (await office.web.get(f"/api/agents/{agent}/{path}", headers=WITH_KEY)).status_code in (404, 422)
    assert len(office.attachments) == 0 and office.assisted == [] and office.watchers() == 0


# -- assist ------------------------------------------------------------------------------------------------------------


async def test_assisting(office: Office) -> None:
    """With the number and the invoice, or with what the configuration and the flow say."""
    answer = await office.post("sara/assist", {"number": "4247", "invoice_id": "65843148"})
    assert answer.json() == {"agent": "sara", "call": "1700000000.12"}
    assert office.attachments.take("sara") == {"invoice_id": "65843148"}
    await office.post("sara/assist", {})
    await office.post("sara/assist", {"number": None})
    assert office.assisted == [("sara", "4247"), ("sara", None), ("sara", None)]


async def test_a_number_that_is_none_of_ours(office: Office) -> None:
    """Nobody is moved there, and the invoice is not attached."""
    for number in ("4248", "", 4247, ["4247"], {"a": 1}, "4247\r\nAction: Hangup", "s", True):
        answer = await office.post("sara/assist", {"number": number, "invoice_id": "1"})
        assert answer.status_code == 422 and "Hangup" not in answer.text
    assert office.assisted == [] and len(office.attachments) == 0


@pytest.mark.parametrize(
    ("problem", "status"), [(BadInput("not talking to a caller"), 422), (Unusable("Asterisk is away"), 503)]
)
async def test_it_cannot_be_begun(office: Office, problem: Exception, status: int) -> None:
    """Said why; the invoice is not there for whom the agent sends next."""
    office.problem = problem
    answer = await office.post("sara/assist", {"invoice_id": "65843148"})
    assert (answer.status_code, answer.json()["detail"]) == (status, str(problem))
    assert office.attachments.take("sara") == {}


async def test_a_failed_one_leaves_what_was_attached_before(office: Office) -> None:
    """It brought nothing itself: what the shop has attached still waits."""
    office.problem = BadInput("not talking to a caller")
    await office.post("sara/attach", {"invoice_id": "65843148"})
    await office.post("sara/assist", {})
    assert office.attachments.take("sara") == {"invoice_id": "65843148"}


# -- watching ----------------------------------------------------------------------------------------------------------


async def test_how_far_the_caller_is(office: Office) -> None:
    """Nothing yet, and then the last that is known."""
    assert (await office.web.get("/api/agents/sara/call", headers=WITH_KEY)).json() is None
    office.watching.show("sara", progress(3))
    told = (await office.web.get("/api/agents/sara/call", headers=WITH_KEY)).json()
    assert (told["asks"], told["keyed"], told["of"], told["private"], told["over"]) == ("card", 3, 16, True, False)


async def events(office: Office, count: int, agent: str = "sara", *more: Progress) -> list[dict[str, Any]]:
    """The first events of a stream; `more` is shown once somebody watches."""
    found: list[dict[str, Any]] = []
    async with office.web.stream("GET", f"/api/agents/{agent}/events", headers=WITH_KEY) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        await office.until_watched(1)
        for one in more:
            office.watching.show(agent, one)
        async for line in stream.aiter_lines():
            if line:
                assert line.startswith("data: ")
                found.append(json.loads(line.removeprefix("data: ")))
            if len(found) == count:
                break
    return found


async def test_a_watcher_is_told_each_change(office: Office) -> None:
    """What there is at once, then every digit as it is keyed, and nothing of others; the same is not told twice."""
    office.watching.show("sara", progress(0))
    office.watching.show("mina", progress(9))
    told = await events(office, 4, "sara", progress(1), progress(1), progress(2), progress(0, over=True))
    assert [one["keyed"] for one in told] == [0, 1, 2, 0] and told[-1]["over"]


async def test_a_watcher_who_goes_is_forgotten(office: Office) -> None:
    """Its place is free again."""
    await events(office, 1, "sara", progress(1))
    await office.until_watched(0)


async def test_too_many_watch(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused; one who goes makes room."""
    monkeypatch.setattr(watching_module, "MOST_WATCHERS", 1)
    async with office.web.stream("GET", "/api/agents/mina/events", headers=WITH_KEY):
        await office.until_watched(1)
        refused = await office.web.get("/api/agents/sara/events", headers=WITH_KEY)
        assert refused.status_code == 503 and "too many" in refused.json()["detail"]
    await office.until_watched(0)
    assert await events(office, 1, "sara", progress(1))


async def test_a_slow_reader_holds_up_nobody(office: Office) -> None:
    """Who does not read loses its oldest news; it costs a bounded room, and the others are told at once."""
    async with office.web.stream("GET", "/api/agents/sara/events", headers=WITH_KEY):
        await office.until_watched(1)
        [queue] = office.watching._watchers["sara"]
        for keyed in range(100 * MOST_NEWS):
            office.watching.show("sara", progress(keyed))
        assert queue.qsize() == MOST_NEWS
        assert (await office.web.get("/api/agents/sara/call", headers=WITH_KEY)).json()["keyed"] == 100 * MOST_NEWS - 1


async def test_the_queues(office: Office) -> None:
    """Who takes calls and how long each caller has waited; when Asterisk cannot be asked, that is said."""
    found = await office.web.get("/api/queues", headers=WITH_KEY)
    assert found.json() == {"queues": [{"name": "sales", "agents": ["sara", "mina"], "waits": [41, 7]}]}
    office.problem = Unusable("Asterisk did not say who waits")
    away = await office.web.get("/api/queues", headers=WITH_KEY)
    assert away.status_code == 503 and "who waits" in away.json()["detail"]
    assert (await office.web.get("/api/queues")).status_code == 401
