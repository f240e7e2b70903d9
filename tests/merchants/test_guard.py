"""What every request passes first: key, rate, size and kind; and what errors say, and never say."""

import asyncio
import time
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from ivr.domain.secret import Secret
from ivr.runtime.merchants import Merchant, MerchantKey
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS
from ivr.web.merchant_guard import AT_ONCE_OF_ONE, MOST_BODY, WHO, Guard
from ivr.web.rates import Rates
from tests.clock import Clock
from tests.merchants.shop import Program
from tests.merchants.world import READER, TILL, serving, write_config
from tests.providers.raw_server import free_port

PAN = DEMO_CARDS[0].pan.reveal()


def kind(answer: httpx.Response) -> tuple[int, str]:
    """Status and type; every error is a problem that says its own status."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert set(said) == {"type", "title", "status", "detail", "errors"} and said["status"] == answer.status_code
    return answer.status_code, said["type"].removeprefix("urn:ivr:problem:")


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer wrong", f"Basic {TILL}", f"Bearer {TILL}x", f"Bearer {TILL[:-1]}"]
)
async def test_without_a_key_nothing_is_told(till: Program, given: str) -> None:
    """Not even whether a path exists."""
    for path in ("/invoices/inv_1", "/nothing", "/"):
        answer = await till.web.get(path, headers={"Authorization": given})
        assert kind(answer) == (401, "unauthorized") and answer.headers["WWW-Authenticate"] == "Bearer"


async def test_errors_are_problems(till: Program) -> None:
    """Whatever is wrong, a program reads it in the same shape."""
    assert kind(await till.get("/nothing")) == (404, "not_found")
    assert kind(await till.get("/invoices")) == (405, "method_not_allowed")
    assert kind(await till.with_key(READER).get("/events")) == (403, "forbidden")
    headers = {"Authorization": f"Bearer {TILL}", "Idempotency-Key": "k"}
    form = await till.web.post("/invoices", data={"amount_rial": "1"}, headers=headers)
    assert kind(form) == (415, "not_json")
    large = await till.web.post("/invoices", json={"order_id": "x" * MOST_BODY}, headers=headers)
    assert kind(large) == (413, "too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * (MOST_BODY // 2)

    assert kind(await till.web.post("/invoices", content=chunks(), headers=headers)) == (413, "too_large")
    json = {**headers, "Content-Type": "application/json"}
    for text in (b"{", b"\xff", b"[1]", b'"x"', b"1", b"nul", b"[" * 9000, b"9" * 9000):
        assert kind(await till.web.post("/invoices", content=text, headers=json)) == (422, "invalid")


async def test_errors_name_fields_and_never_values(till: Program) -> None:
    """A card that stands where it does not belong, or is written wrongly, comes back in no answer."""
    made = await till.invoice()
    bodies = [
        {"card": f"{PAN}1", "otp": "12345", "phone": "09123456789"},
        {"card": int(PAN), "otp": "12345", "phone": "09123456789"},
        {"card": [PAN], "otp": PAN, "phone": PAN},
        {"card": {"pan": PAN}, PAN: PAN},
        {PAN: 1},
        PAN,
    ]
    for body in bodies:
        answer = await till.post(f"/invoices/{made['id']}/pay", body, "k")
        assert kind(answer) == (422, "invalid")
        assert PAN not in answer.text and "12345" not in answer.text
    said = (await till.post(f"/invoices/{made['id']}/pay", bodies[0], "k")).json()["errors"]
    assert said == [{"field": "body.card", "problem": "Value error, must be 16 digits"}]
    missing = await till.post("/invoices", {"provider": "mellat", "amount_rial": 1, "order_id": "A-1"})
    assert [one["field"] for one in missing.json()["errors"]] == ["header.Idempotency-Key"]


@pytest.mark.parametrize("written", [PAN, f"A-{PAN}", "-".join(PAN[i : i + 4] for i in (0, 4, 8, 12))])
async def test_a_card_number_is_kept_nowhere(till: Program, tmp_path: Path, written: str) -> None:
    """What stands in the books as it came is refused with a card number in it, and the answer does not repeat it."""
    for key, order in ((written, "A-1"), ("k", written)):
        answer = await till.create(key=key, order_id=order)
        assert kind(answer) == (422, "invalid") and written not in answer.text
        [fault] = answer.json()["errors"]
        assert fault["problem"] == "Value error, must not hold a card number"
        assert fault["field"] == ("body.order_id" if order == written else "header.Idempotency-Key")
    kept = [path for path in (tmp_path / "var").iterdir() if path.is_file()]
    assert kept and not [path for path in kept if written.encode() in path.read_bytes()]


async def test_nobody_is_sent_elsewhere(till: Program) -> None:
    """A slash too many is an error: a redirect could carry card and password to another address."""
    body = {"card": PAN, "otp": "12345", "phone": "09123456789"}
    for path in ("/invoices/", "/invoices/inv_1/", "/invoices/inv_1/pay/", "/events/"):
        assert kind(await till.post(path, body, "k")) == (404, "not_found")
    bare = await till.web.post(str(till.web.base_url).rstrip("/"), json=body, headers={"Host": "elsewhere.example"})
    assert (bare.status_code, bare.headers.get("Location")) == (404, None)


def test_a_bucket_of_tokens() -> None:
    """A minute's worth at once, then one at a time as they come back; each key has its own."""
    clock = Clock()
    rates = Rates(clock)
    assert [rates.take("till", 3).remaining for _ in range(3)] == [2, 1, 0]
    refused = rates.take("till", 3)
    assert (refused.ok, refused.wait, refused.reset) == (False, 20, 60)
    assert rates.take("reader", 3).ok
    clock.now += 19
    assert not rates.take("till", 3).ok
    clock.now += 1
    assert rates.take("till", 3).ok and not rates.take("till", 3).ok
    clock.now += 3600
    assert rates.take("till", 3).remaining == 2


async def test_too_many_requests(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The program reads how many it may make, and when to come again; another key is not concerned."""
    config = write_config(tmp_path, sandbox, free_port(), per_minute=2)
    async with serving(config) as api, httpx.AsyncClient(base_url=f"{api.url}/api", trust_env=False) as web:
        began = time.monotonic()
        till = Program(web, sandbox, TILL)
        answers = [await till.get("/invoices/inv_1") for _ in range(3)]
        if time.monotonic() - began < 30:  # else a token came back
            assert [answer.status_code for answer in answers] == [404, 404, 429]
            assert kind(answers[2]) == (429, "too_many_requests")
            assert 1 <= int(answers[2].headers["Retry-After"]) <= 30
        assert [answers[0].headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")] == ["2", "1", "30"]
        assert (await till.with_key(READER).get("/invoices/inv_1")).status_code == 404


async def test_too_many_at_once() -> None:
    """One merchant's slow requests take so many places and no more; another merchant still gets one."""
    door, entered = asyncio.Event(), []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.append(scope["state"][WHO].merchant.name)
        await door.wait()
        await _answer_204(send)

    merchants = {name: _merchant(name) for name in ("shop", "other")}
    guard = Guard(slow, merchants, Clock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://ivr") as web:

        async def ask(name: str) -> httpx.Response:
            return await web.get("/x", headers={"Authorization": f"Bearer {name}-key-0123456789"})

        waiting = [asyncio.create_task(ask("shop")) for _ in range(AT_ONCE_OF_ONE)]
        while len(entered) < AT_ONCE_OF_ONE:  # noqa: ASYNC110 - one turn of the loop after the other
            await asyncio.sleep(0)
        assert kind(await ask("shop")) == (503, "too_many_at_once")
        waiting.append(asyncio.create_task(ask("other")))
        while "other" not in entered:  # noqa: ASYNC110
            await asyncio.sleep(0)
        door.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {204}
        assert (await ask("shop")).status_code == 204


async def test_a_body_that_does_not_come() -> None:
    """Whoever sends slowly takes a place only for so long."""

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("it did not come whole")

    guard = Guard(never, {"shop": _merchant("shop")}, Clock(), body_seconds=0.05)
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    headers = [(b"authorization", b"Bearer shop-key-0123456789"), (b"content-length", b"10")]
    await guard({"type": "http", "method": "POST", "path": "/invoices", "headers": headers}, receive, send)
    assert said[0]["status"] == 408


async def test_what_breaks_says_nothing_of_what_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """A bug of ours is one line with its place, and a plain answer."""

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError(PAN)

    guard = Guard(breaks, {"shop": _merchant("shop")}, Clock())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://ivr") as web:
        answer = await web.get("/x", headers={"Authorization": "Bearer shop-key-0123456789"})
    assert kind(answer) == (500, "broke") and PAN not in answer.text
    said = capsys.readouterr()
    assert "api_broke" in said.out and "test_guard.py" in said.out and PAN not in said.out + said.err


async def test_the_page_needs_no_network(till: Program) -> None:
    """Everything that it loads is served here, without a key; it names no other host."""
    page = await till.web.get("/docs")
    assert page.status_code == 200 and "http://" not in page.text and "https://" not in page.text
    loaded = [text.split('"')[0] for text in page.text.split('="docs/')[1:]]
    assert len(loaded) == 3
    for name in loaded:
        assert (await till.web.get(f"/docs/{name}")).status_code == 200
    for odd in ("/docs/assets/%00", "/docs/assets/../../../etc/passwd", "/docs/assets/%2e%2e/core.py", "/docs/x"):
        assert (await till.web.get(odd)).status_code in (401, 404)
    assert (await till.web.get("/openapi.json")).json()["servers"] == [{"url": "/api"}]


def _merchant(name: str) -> Merchant:
    key = MerchantKey("key", Secret(f"{name}-key-0123456789"), frozenset())
    return Merchant(name, (), (key,), None, 6000)


async def _answer_204(send: Send) -> None:
    """204."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
