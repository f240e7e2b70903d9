"""What a merchant's receiver gets: every event, signed, in order, again and again until it is accepted."""

import asyncio
import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ivr.domain.secret import Secret
from ivr.payments.invoice import Invoice
from ivr.payments.merchant_port import Begun, MerchantInvoice, Ticket
from ivr.payments.state import EntryKind
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.notices import NoticeTarget
from ivr.runtime.webhooks import LONGEST_PAUSE, Webhooks
from ivr.store.deliveries import StoredDeliveries
from ivr.store.opening import Store, open_store
from tests.clock import Clock
from tests.merchants.world import WEBHOOK
from tests.providers import raw_server as raw
from tests.providers.raw_server import Exchange, RawServer, says
from tests.store.conftest import KINDS, new_books, payment

PATIENCE = 60.0
A, U, D, C = EntryKind.APPROVED, EntryKind.UNANSWERED, EntryKind.DECLINED, EntryKind.CONTRADICTED


class Noting(StoredDeliveries):
    """The store's own, and until when each event was put off."""

    put_off: list[float]

    async def again(self, event_id: int, at: float) -> None:
        await super().again(event_id, at)
        self.put_off.append(at)


@dataclass
class Books:
    """A store with invoices of merchants in it, and a clock that is turned by hand."""

    store: Store
    clock: Clock
    deliveries: Noting

    async def invoice(self, number: str, merchant: str = "shop") -> None:
        ticket = Ticket(merchant, "invoices", number, "", f"inv_{number}")
        assert isinstance(await self.store.merchants.begin(ticket), Begun)
        made = MerchantInvoice(ticket.subject, merchant, Invoice("mellat", number, 160_000, f"A-{number}"))
        await self.store.merchants.keep_invoice(ticket, made)

    async def pays(self, number: str, *kinds: EntryKind) -> str:
        """A payment of the invoice `number` with these lines after it was sent."""
        one = replace(payment(f"p-{number}", number, "mellat"), amount_rial=160_000)
        await self.store.journal.create(one)
        for kind in (EntryKind.SENT, *kinds):
            await self.store.journal.append(one.id, kind, {"reason": "because", "code": "51"})
        return one.id

    @asynccontextmanager
    async def told(self, **urls: str) -> AsyncIterator[Webhooks]:
        """The merchants' webhooks at work."""
        http = {name: HttpSettings(url, connect_seconds=1, read_seconds=5) for name, url in urls.items()}
        targets = {name: NoticeTarget(one, Secret(WEBHOOK)) for name, one in http.items()}
        hooks = Webhooks([self.deliveries], targets, self.clock, look_every=0.02)
        task = asyncio.create_task(hooks.run())
        try:
            yield hooks
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=KINDS)
async def books(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Books]:
    """In each kind of database."""
    clock, kept = Clock(), new_books(request.param, tmp_path, request)
    async with open_store(tmp_path, clock, kept.shared) as store:
        deliveries = Noting(store.deliveries.database, clock)
        deliveries.put_off = []
        yield Books(store, clock, deliveries)


async def until(good: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not good():  # noqa: ASYNC110 - what is looked at is on the other side of a socket
            await asyncio.sleep(0.01)


def bodies(server: RawServer) -> list[dict[str, Any]]:
    return [json.loads(seen.body) for seen in server.seen]


async def test_an_event_is_signed_and_says_everything(books: Books) -> None:
    """The receiver checks who sent it; body and id are those of the list of events, whenever it asks."""
    await books.invoice("1")
    await books.pays("1", D)
    async with RawServer(says("", "204 No Content")) as server, books.told(shop=f"{server.url}/hook") as hooks:
        await until(lambda: len(server.seen) == 1)
        await until(lambda: hooks.waiting == 0)
    [seen] = server.seen
    signature = hmac.new(WEBHOOK.encode(), b"1700000000." + seen.body, hashlib.sha256).hexdigest()
    assert (seen.headers["x-ivr-timestamp"], seen.headers["x-ivr-signature"]) == ("1700000000", signature)
    assert json.loads(seen.body) == {
        "id": 3,
        "type": "payment.declined",
        "created_at": "2023-11-14T22:13:20.000Z",
        "data": {
            "invoice": "inv_1",
            "order_id": "A-1",
            "provider": "mellat",
            "number": "1",
            "payment": "p-1",
            "amount_rial": 160_000,
            "reason": "because",
            "code": "51",
            "reference": None,
            "receipt": None,
        },
    }


async def test_what_merchants_are_told_of(books: Books) -> None:
    """What became of payments of their own invoices, and nothing else that stands in the journal."""
    for number in ("1", "2", "3"):
        await books.invoice(number)
    await books.invoice("4", "other")
    await books.pays("1", U, EntryKind.HANDED_OVER, A)
    await books.pays("2", D, C)
    await books.pays("3", EntryKind.UNSENT)
    await books.pays("4", A)
    await books.pays("nobody's", A)
    async with RawServer(says({})) as server, books.told(shop=server.url):
        await until(lambda: len(server.seen) == 4)
    told = sorted((one["data"]["payment"], one["id"], one["type"].removeprefix("payment.")) for one in bodies(server))
    assert [(who, what) for who, _, what in told] == [
        *(("p-1", "unknown"), ("p-1", "approved"), ("p-2", "declined"), ("p-2", "contradicted"))
    ]


async def test_it_is_tried_until_it_is_accepted(books: Books) -> None:
    """Errors, resets, silence and redirects: the pauses grow up to an hour, and it is never given up."""
    await books.invoice("1")
    await books.pays("1", A)
    ways: list[raw.Behave] = [
        *(says("", "500 Broken"), says("", "404 Gone"), says("", "302 Elsewhere"), raw.resets, raw.closes_mid_body),
        *([says("", "503 Later")] * 9),
    ]

    async def behave(exchange: Exchange) -> None:
        await (ways.pop(0) if ways else says({}))(exchange)

    pauses: list[float] = []
    async with RawServer(behave) as server, books.told(shop=server.url) as hooks:
        for number in range(len(ways)):
            await until(lambda number=number: len(books.deliveries.put_off) > number)  # type: ignore[misc]
            pauses.append(books.deliveries.put_off[-1] - books.clock.now)
            books.clock.now = books.deliveries.put_off[-1]
        await until(lambda: hooks.waiting == 0)
        assert len({one["id"] for one in bodies(server)}) == 1
    assert pauses[:4] == [5, 10, 20, 40] and pauses[-1] == LONGEST_PAUSE
    assert sorted(pauses) == pauses


async def test_order_per_payment_and_nobody_waits_for_others(books: Books) -> None:
    """The second event of a payment waits until the first is accepted; other payments and other merchants do not."""
    for number in ("1", "2"):
        await books.invoice(number)
    await books.invoice("3", "other")
    await books.pays("1", U, A)
    await books.pays("2", A)
    await books.pays("3", A)
    accepted: list[int] = []
    refuse = {"p-1"}

    async def picky(exchange: Exchange) -> None:
        one = json.loads(exchange.seen.body)
        if one["data"]["payment"] in refuse:
            await says("", "500 Not now")(exchange)
        else:
            accepted.append(one["id"])
            await says({})(exchange)

    async with (
        RawServer(picky) as server,
        RawServer(says({})) as others,
        books.told(shop=server.url, other=others.url) as hooks,
    ):
        await until(lambda: len(accepted) == 1 and len(others.seen) == 1 and len(server.seen) == 2)
        assert {one["data"]["payment"] for one in bodies(server)} == {"p-1", "p-2"}
        assert "payment.approved" not in {one["type"] for one in bodies(server) if one["data"]["payment"] == "p-1"}
        await until(lambda: len(books.deliveries.put_off) == 1)
        refuse.clear()
        books.clock.now = books.deliveries.put_off[0]
        await until(lambda: hooks.waiting == 0)
    assert accepted[1:] == sorted(accepted[1:]) and len(accepted) == 3


async def test_a_merchant_that_does_not_answer(books: Books) -> None:
    """It takes its own places; the other merchant's hundred events arrive meanwhile, each once."""
    for number in range(20):
        await books.invoice(f"s{number}")
        await books.pays(f"s{number}", A)
    for number in range(100):
        await books.invoice(f"o{number}", "other")
        await books.pays(f"o{number}", A)
    door = asyncio.Event()

    async def silent(exchange: Exchange) -> None:
        await door.wait()
        await says({})(exchange)

    async with (
        RawServer(silent) as dead,
        RawServer(says({})) as alive,
        books.told(shop=dead.url, other=alive.url) as hooks,
    ):
        await until(lambda: len(alive.seen) == 100)
        assert len(dead.seen) <= 4
        door.set()
        await until(lambda: hooks.waiting == 0)
    assert sorted(one["id"] for one in bodies(alive)) == sorted({one["id"] for one in bodies(alive)})


async def test_a_receiver_that_is_not_there(books: Books) -> None:
    """A long queue before a closed door: it is tried now and then, and all of it arrives when the door is open."""
    for number in range(30):
        await books.invoice(f"{number}")
        await books.pays(f"{number}", A)
    port = raw.free_port()
    async with books.told(shop=f"http://127.0.0.1:{port}") as hooks:
        for tries in (4, 5, 6):  # those of the beginning, then one after each rest
            await until(lambda tries=tries: len(books.deliveries.put_off) == tries)  # type: ignore[misc]
            await asyncio.sleep(0.1)  # some looks more
            assert len(books.deliveries.put_off) == tries
            books.clock.now += 60
        assert hooks.waiting == 30
    async with RawServer(says({})) as server, books.told(shop=server.url) as hooks:
        books.clock.now += LONGEST_PAUSE
        await until(lambda: len(server.seen) == 30 and hooks.waiting == 0)


@pytest.mark.parametrize("status", ["503 Busy", "429 Slowly", "500 Broken"])
async def test_a_receiver_that_says_not_now(books: Books, status: str) -> None:
    """Its own database is down: a long queue is no storm, one event is tried now and then."""
    for number in range(30):
        await books.invoice(f"{number}")
        await books.pays(f"{number}", A)
    async with RawServer(says("", status)) as server, books.told(shop=server.url):
        for tries in (4, 5, 6):  # those of the beginning, then one after each rest
            await until(lambda tries=tries: len(books.deliveries.put_off) == tries)  # type: ignore[misc]
            await asyncio.sleep(0.1)  # some looks more
            assert len(server.seen) == tries
            books.clock.now += 60


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120.0),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120.0),
        ("99999999999", LONGEST_PAUSE),
        ("soon", 0.0),
        ("-5", 0.0),
    ],
)
async def test_it_comes_again_when_it_was_asked_to(books: Books, asked: str, seconds: float) -> None:
    """Seconds or a date, an hour at most; before that nothing is sent, not even another payment's event."""
    await books.invoice("1")
    await books.pays("1", A)
    ways = [says("", f"503 Busy\r\nRetry-After: {asked}")]

    async def behave(exchange: Exchange) -> None:
        await (ways.pop(0) if ways else says({}))(exchange)

    async with RawServer(behave) as server, books.told(shop=server.url) as hooks:
        await until(lambda: len(books.deliveries.put_off) == 1)
        assert books.deliveries.put_off[0] - books.clock.now == max(seconds, 5.0)
        await books.invoice("2")
        await books.pays("2", A)
        if seconds:
            books.clock.now += seconds - 1
            await asyncio.sleep(0.1)  # some looks more
            assert len(server.seen) == 1
        books.clock.now += max(1.0, 5.0 - seconds)
        await until(lambda: hooks.waiting == 0 and len(server.seen) == 3)


async def test_two_processes_share_the_work(books: Books) -> None:
    """Each event is delivered by one of them."""
    for number in range(60):
        await books.invoice(f"{number}")
        await books.pays(f"{number}", U, A)
    async with (
        RawServer(says({})) as server,
        books.told(shop=server.url) as one,
        books.told(shop=server.url) as two,
    ):
        await until(lambda: len(server.seen) >= 120 and one.waiting == two.waiting == 0)
    got = defaultdict(list)
    for body in bodies(server):
        got[body["data"]["payment"]].append(body["id"])
    assert sum(map(len, got.values())) == 120
    assert all(ids == sorted(ids) for ids in got.values())


async def test_what_was_claimed_by_a_process_that_died(books: Books) -> None:
    """It is due again when its lease is over, and keeps its id."""
    await books.invoice("1")
    await books.pays("1", A)
    await books.store.deliveries.enrol()
    assert len(await books.store.deliveries.claim({"shop": 4}, books.clock.now + 60)) == 1
    async with RawServer(says({})) as server, books.told(shop=server.url) as hooks:
        await until(lambda: hooks.waiting == 1)
        assert await books.store.deliveries.claim({"shop": 4}, books.clock.now + 60) == ()
        books.clock.now += 60
        await until(lambda: hooks.waiting == 0)
        assert hooks.oldest == 0
    assert [one["id"] for one in bodies(server)] == [3]


async def test_replay(books: Books) -> None:
    """Every delivered event after a given one comes again, with the same id and the same body, and in order."""
    await books.invoice("1")
    await books.pays("1", U, A)
    async with RawServer(says({})) as server, books.told(shop=server.url) as hooks:
        await until(lambda: len(server.seen) == 2)
        await until(lambda: hooks.waiting == 0)
        assert await books.store.deliveries.replay("other", 0) == 0
        assert await books.store.deliveries.replay("shop", 3) == 1
        await until(lambda: len(server.seen) == 3)
        assert await books.store.deliveries.replay("shop", 0) == 2
        await until(lambda: len(server.seen) == 5)
    told = [one["id"] for one in bodies(server)]
    assert told == [3, 4, 4, 3, 4]
    assert server.seen[0].body == server.seen[3].body


async def test_figures(books: Books) -> None:
    """How many events wait, and how old the oldest is: what wakes somebody."""
    await books.invoice("1")
    await books.pays("1", A)
    async with books.told(shop="http://127.0.0.1:9") as hooks:
        await until(lambda: hooks.waiting == 1)
        books.clock.now += 300
        assert hooks.oldest == 300
