"""What callers registered, as a merchant's program gets it: a list by API, and a webhook that never forgets one."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ivr.domain.registration import Registration
from ivr.domain.secret import Secret
from ivr.payments.registrations import Kept
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.notices import NoticeTarget
from ivr.runtime.webhooks import LEASE, Webhooks
from ivr.sandbox.server import SandboxServer
from ivr.store.opening import open_store
from ivr.store.registration_deliveries import StoredRegistrationDeliveries
from ivr.store.registrations import StoredRegistrations
from tests.clock import Clock
from tests.merchants.shop import Program
from tests.merchants.test_kill import Process, till_at, until_seen
from tests.merchants.test_webhooks import PATIENCE, A, Books, Noting, bodies, until
from tests.merchants.world import OTHER, OTHER_WORD, READER, WEBHOOK, WORD, Api, serving, write_config
from tests.providers import raw_server as raw
from tests.providers.raw_server import Exchange, RawServer, free_port, says
from tests.store.conftest import KINDS, new_books

MOBILE = "09121234567"


async def registers(books: StoredRegistrations, *codes: str, word: str = WORD, mobile: str | None = MOBILE) -> None:
    """Callers register these codes, each in a call of its own."""
    for code in codes:
        asked = Registration(f"{word}-{code}.4", "42473010", "register_code", word, mobile, {"code": code})
        assert await books.keep(asked) is Kept.NEW


def shown(number: int, code: str) -> dict[str, Any]:
    """The registration as merchants see it, on a clock that stands still."""
    return {
        "id": number,
        "word": WORD,
        "dialled": "42473010",
        "flow": "register_code",
        "mobile": MOBILE,
        "values": {"code": code},
        "created_at": "2023-11-14T22:13:20.000Z",
    }


# -- by API ------------------------------------------------------------------------------------------------------------


async def test_the_list(till: Program, api: Api) -> None:
    """One's own words' registrations alone, oldest first, so many at a time, to a key that may read them."""
    await registers(api.store.registrations, "0048213", "48214")
    await registers(api.store.registrations, "1", word=OTHER_WORD, mobile=None)
    await registers(api.store.registrations, "48215")
    first = (await till.get("/registrations", limit=2)).json()
    assert [(one["id"], one["values"]) for one in first["registrations"]] == [
        (1, {"code": "0048213"}),
        (2, {"code": "48214"}),
    ]
    assert first["after"] == 2
    rest = (await till.get("/registrations", after=2)).json()
    assert ([one["id"] for one in rest["registrations"]], rest["after"]) == ([4], 4)
    assert (await till.get("/registrations", after=4)).json() == {"registrations": [], "after": 4}
    other = (await till.with_key(OTHER).get("/registrations")).json()
    assert [(one["id"], one["mobile"]) for one in other["registrations"]] == [(3, None)]
    assert (await till.get("/events")).json()["events"] == []


async def test_who_may_not(till: Program) -> None:
    """A key without the scope; and numbers that are none."""
    refused = await till.with_key(READER).get("/registrations")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    for wrong in ({"after": -1}, {"limit": 0}, {"limit": 501}, {"after": "x"}):
        assert (await till.get("/registrations", **wrong)).status_code == 422
    no_hook = await till.post("/registrations/replay", {"after": 0})
    assert (no_hook.status_code, no_hook.json()["type"]) == (409, "urn:ivr:problem:not_possible")


# -- by webhook --------------------------------------------------------------------------------------------------------


class NotingRegistrations(StoredRegistrationDeliveries):
    """The store's own, and until when each was put off."""

    put_off: list[float]

    async def again(self, event_id: int, at: float) -> None:
        await super().again(event_id, at)
        self.put_off.append(at)


@dataclass
class Both(Books):
    """Books with both streams in them."""

    registered: NotingRegistrations

    @asynccontextmanager
    async def told(self, **urls: str) -> AsyncIterator[Webhooks]:
        """The merchants' webhooks at work, on both."""
        http = {name: HttpSettings(url, connect_seconds=1, read_seconds=5) for name, url in urls.items()}
        targets = {name: NoticeTarget(one, Secret(WEBHOOK)) for name, one in http.items()}
        hooks = Webhooks([self.deliveries, self.registered], targets, self.clock, look_every=0.02)
        task = asyncio.create_task(hooks.run())
        try:
            yield hooks
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def register(self, *codes: str, word: str = WORD) -> None:
        await registers(self.store.registrations, *codes, word=word)


@pytest.fixture(params=KINDS)
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Both]:
    """In each kind of database."""
    clock, kept = Clock(), new_books(request.param, tmp_path, request)
    async with open_store(tmp_path, clock, kept.shared) as store:
        deliveries = Noting(store.deliveries.database, clock)
        words = {"shop": (WORD,), "other": (OTHER_WORD,)}
        registered = NotingRegistrations(store.registrations.database, clock, words)
        deliveries.put_off, registered.put_off = [], []
        yield Both(store, clock, deliveries, registered)


def ids(server: RawServer) -> list[int | str]:
    return [one["id"] for one in bodies(server)]


async def test_it_is_signed_and_says_everything(books: Both) -> None:
    """As every event is; what it is about is the registration as the list has it."""
    await books.register("0048213")
    async with RawServer(says("", "204 No Content")) as server, books.told(shop=f"{server.url}/hook") as hooks:
        await until(lambda: len(server.seen) == 1 and hooks.waiting == 0)
    [seen] = server.seen
    signature = hmac.new(WEBHOOK.encode(), b"1700000000." + seen.body, hashlib.sha256).hexdigest()
    assert (seen.headers["x-ivr-timestamp"], seen.headers["x-ivr-signature"]) == ("1700000000", signature)
    assert json.loads(seen.body) == {
        "id": "reg_1",
        "type": "registration.created",
        "created_at": "2023-11-14T22:13:20.000Z",
        "data": shown(1, "0048213"),
    }


async def test_it_is_tried_until_it_is_taken(books: Both) -> None:
    """503, resets, half answers and redirects: the pauses grow, the id stays, and it arrives in the end."""
    await books.register("48213")
    ways: list[raw.Behave] = [says("", "503 Later"), raw.resets, raw.closes_mid_body, says("", "302 Elsewhere")]

    async def behave(exchange: Exchange) -> None:
        await (ways.pop(0) if ways else says({}))(exchange)

    pauses: list[float] = []
    async with RawServer(behave) as server, books.told(shop=server.url) as hooks:
        for number in range(4):
            await until(lambda number=number: len(books.registered.put_off) > number)  # type: ignore[misc]
            pauses.append(books.registered.put_off[-1] - books.clock.now)
            books.clock.now = books.registered.put_off[-1]
        await until(lambda: hooks.waiting == 0)
    assert pauses == [5, 10, 20, 40]
    assert ids(server) == ["reg_1"] * 5 and len({seen.body for seen in server.seen}) == 1


async def test_both_streams_to_one_receiver(books: Both) -> None:
    """Payments and registrations with the same numbers arrive, each once, and no id stands for two things."""
    for number in range(1, 9):
        await books.invoice(f"{number}")
        await books.pays(f"{number}", A)
        await books.register(f"{number}")
    await books.register("5", word=OTHER_WORD)
    async with RawServer(says({})) as server, books.told(shop=server.url) as hooks:
        await until(lambda: len(server.seen) == 16 and hooks.waiting == 0)
    got = ids(server)
    assert len(set(got)) == 16 and [one for one in got if isinstance(one, int)] != []
    assert {one for one in got if isinstance(one, str)} == {f"reg_{number}" for number in range(1, 9)}


async def test_neither_stream_starves_the_other(books: Both) -> None:
    """A long queue of payments before a door that is shut: one thing is tried now and then, and that is the
    registration soon.
    """
    for number in range(40):
        await books.invoice(f"{number}")
        await books.pays(f"{number}", A)
    async with RawServer(says("", "503 Busy")) as server, books.told(shop=server.url):
        await until(lambda: len(books.deliveries.put_off) == 4)
        await books.register("48213")
        for tries in range(5, 30):
            books.clock.now += 60
            await until(lambda tries=tries: len(books.deliveries.put_off + books.registered.put_off) == tries)  # type: ignore[misc]
            if books.registered.put_off:
                break
        assert books.registered.put_off and len(server.seen) < 30


async def test_two_processes_share_the_work(books: Both) -> None:
    """Each registration is delivered by one of them."""
    await books.register(*map(str, range(60)))
    async with RawServer(says({})) as server, books.told(shop=server.url) as one, books.told(shop=server.url) as two:
        await until(lambda: len(server.seen) >= 60 and one.waiting == two.waiting == 0)
    assert sorted(ids(server)) == sorted(f"reg_{number}" for number in range(1, 61))


async def test_replay(books: Both) -> None:
    """Those after a given one come again, with the same body; the journal's events do not."""
    await books.register("1", "2")
    await books.invoice("1")
    await books.pays("1", A)
    async with RawServer(says({})) as server, books.told(shop=server.url) as hooks:
        await until(lambda: len(server.seen) == 3 and hooks.waiting == 0)
        assert await books.registered.replay("other", 0) == 0
        assert await books.registered.replay("shop", 1) == 1
        await until(lambda: len(server.seen) == 4 and hooks.waiting == 0)
    twice = [seen.body for seen in server.seen if b'"reg_2"' in seen.body]
    assert len(twice) == 2 and len(set(twice)) == 1


async def test_replay_by_api(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A merchant's program that has lost some asks for them, and its receiver gets them again."""
    port = free_port()
    async with RawServer(says({})) as hook, till_at(port, sandbox) as till:
        config = write_config(tmp_path, sandbox, port, hook.url)
        async with serving(config, {"look_every": 0.02}) as api:
            await registers(api.store.registrations, "1", "2")
            await until_seen(hook, "reg_2")
            listed = (await till.get("/registrations")).json()["registrations"]
            await until(lambda: len(hook.seen) == 2)
            async with asyncio.timeout(PATIENCE):
                answer = await till.post("/registrations/replay", {"after": 1})
                while answer.json() != {"events": 1}:  # the receiver has it a moment before the books say so
                    answer = await till.post("/registrations/replay", {"after": 1})
            assert answer.status_code == 202
            first, again = await until_seen(hook, "reg_2", 2)
    assert first.body == again.body and json.loads(first.body)["data"] == listed[1]


# -- a process that is killed ------------------------------------------------------------------------------------------


async def test_kill_in_the_middle_of_a_delivery(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The receiver had them and we never heard so: when the dead process' lease is over, the next one brings the very
    same again.
    """
    (tmp_path / "var").mkdir()
    async with open_store(tmp_path / "var", time.time) as store:
        await registers(store.registrations, "48213", "48214")
    door = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        await door.wait()
        await says({})(exchange)

    port = free_port()
    async with RawServer(silent) as hook:
        config = write_config(tmp_path, sandbox, port, hook.url)
        async with Process(config, tmp_path / "log") as process:
            await until_seen(hook, "reg_", 2)
            await process.kill()
        door.set()
        clock = Clock(time.time() + LEASE)
        async with open_store(tmp_path / "var", clock) as store:
            registered = StoredRegistrationDeliveries(store.registrations.database, clock, {"shop": (WORD,)})
            targets = {"shop": NoticeTarget(HttpSettings(hook.url), Secret(WEBHOOK))}
            hooks = Webhooks([store.deliveries, registered], targets, clock, look_every=0.02)
            task = asyncio.create_task(hooks.run())
            await until_seen(hook, "reg_", 4)
            await until(lambda: hooks.waiting == 0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    for event_id in ("reg_1", "reg_2"):
        one, two = await until_seen(hook, event_id, 2)
        assert one.body == two.body
