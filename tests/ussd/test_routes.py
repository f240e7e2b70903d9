"""`GET /ussd/<service>` as the network and everybody else meet it: over HTTP, by the server that serves calls."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from prometheus_client import generate_latest

from ivr.app import serve_web
from ivr.domain.errors import Unusable
from ivr.domain.secret import Secret
from ivr.flow.model import Service
from ivr.payments.invoice import Invoice
from ivr.runtime.observer import Observer
from ivr.runtime.screens import Key
from ivr.store.opening import open_store
from ivr.ussd.request import SaidPaid
from ivr.ussd.routes import UssdRoutes
from ivr.ussd.settings import UssdSettings
from ivr.web.operations import operations_app
from tests.clock import Clock
from tests.ussd.world import Network, shipped_dialplan, words_of

SECRET: Final = "a-secret-of-24-letters-x"
REGISTER: Final = Service("register_code", (("6655", "123"), ("123", "6655")), "register_code", "fa", {})
PAY: Final = Service("pay_invoice", (("6655", "124"),), "pay_invoice", "fa", {"merchant_phone": "2191071390"})
DIAL: Final = {"mobile": "09121234567", "sessionid": "123", "call": "*6655*123"}
PAID: Final = {"mobile": "09121234567", "sessionid": "123", "call": "*6655*124*42*1*42*77001", "RRN": "12345"}


@dataclass
class Served:
    """What is served at `url`, and what the test can see of it."""

    network: Network
    url: str
    observer: Observer
    web: aiohttp.ClientSession
    said: list[tuple[str, SaidPaid]] = field(default_factory=list)
    settled: bool | Exception | None = True
    """What becomes of callbacks."""
    opened: list[str] = field(default_factory=list)
    """Sessions that the store was asked for."""

    async def get(self, service: str = "register_code", method: str = "GET", **query: str) -> tuple[int, bytes]:
        """Status and bytes."""
        async with self.web.request(method, f"{self.url}/{service}", params=query or DIAL) as answer:
            return answer.status, await answer.read()

    def counted(self) -> dict[str, float]:
        """Every figure about USSD that is not 0, times left out."""
        lines = generate_latest(self.observer.registry).decode().splitlines()
        pairs = (line.rpartition(" ")[::2] for line in lines if line.startswith("ivr_ussd_") and "_created" not in line)
        return {name: float(value) for name, value in pairs if float(value) and "_seconds_" not in name}


@asynccontextmanager
async def serving(directory: Path, settings: UssdSettings, screens: object = None) -> AsyncIterator[Served]:
    """Served while inside, beside what else the address has."""
    clock, observer = Clock(), Observer()
    async with open_store(directory, clock) as store, aiohttp.ClientSession() as web:
        network = Network(store, shipped_dialplan(REGISTER, PAY), clock, REGISTER, settings)
        served = Served(network, "", observer, web)

        async def settle(provider: str, said: SaidPaid) -> bool | None:
            served.said.append((provider, said))
            if isinstance(served.settled, Exception):
                raise served.settled
            return served.settled

        class Watched:
            def __getattr__(self, name: str) -> object:
                if name == "take":
                    served.opened.append(name)
                return getattr(screens or store.screens, name)

        desk = network.desk(Watched())  # type: ignore[arg-type]
        routes = UssdRoutes(desk, lambda: network.dialplan, settings, settle, observer, clock)
        app = operations_app({}, observer.registry, more=routes.routes)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            host, port = listener.getsockname()[:2]
            served.url = f"http://{host}:{port}/ussd"
            task = asyncio.create_task(serve_web(listener, app))
            try:
                yield served
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """As it is configured where nobody says anything."""
    async with serving(tmp_path, UssdSettings()) as opened:
        yield opened


# -- the document ------------------------------------------------------------------------------------------------------


async def test_the_document_s_sample(served: Served) -> None:
    """Both texts to the letter, and the code in the books; in either order of the code, with the star or without it."""
    ask, done = "لطفا کد ثبت نام خود را وارد نمایید", "کد ثبت نام شما با موفقیت در سیستم ثبت شد"
    for session, before in (("1", "*6655*123"), ("2", "6655*123"), ("3", "#123*6655 ")):
        who = {"mobile": f"0912123456{session}", "sessionid": session}
        assert await served.get(**who, call=before) == (200, ask.encode())
        assert await served.get(**who, call=f"{before}*4711") == (200, done.encode())
    assert await served.network.registered() == ["4711"] * 3


async def test_text_and_nothing_else(served: Served) -> None:
    """Plain UTF-8: no mark before it, no line behind it, nothing that keeps it or says who we are."""
    async with served.web.get(f"{served.url}/register_code", params=DIAL) as answer:
        text = await answer.read()
        headers = {name.lower(): value for name, value in answer.headers.items()}
    assert not text.startswith(b"\xef\xbb\xbf") and text == text.strip()
    assert headers.pop("content-type") == "text/plain; charset=utf-8"
    assert headers.pop("content-length") == str(len(text)) and headers.pop("cache-control") == "no-store"
    assert headers.keys() <= {"server"}


async def test_money_is_asked_for_in_exactly_these_bytes(served: Served) -> None:
    """`9900|factor|rial`, as the document has it."""
    network = served.network
    await network.store.invoices.remember_invoice(Invoice("ussd", "65843148", 160_000, "A", network.clock()))
    who = {"mobile": "09121234567", "sessionid": "77"}
    for call in ("*6655*124", "*6655*124*65843148"):
        await served.get("pay_invoice", **who, call=call)
    for _ in range(2):
        asked = await served.get("pay_invoice", **who, call="*6655*124*65843148*1")
        assert asked == (200, b"9900|65843148|160000")


# -- who may ask -------------------------------------------------------------------------------------------------------


async def test_with_a_secret(tmp_path: Path) -> None:
    """Only who knows the path gets anything; the others are counted, and a guess says nothing of how near it came."""
    async with serving(tmp_path, UssdSettings(secret=Secret(SECRET))) as served:
        assert (await served.get(f"{SECRET}/register_code"))[0] == 200
        for path in (
            "register_code",
            "x/register_code",
            f"{SECRET[:-1]}/register_code",
            f"{SECRET}x/register_code",
            "",
        ):
            assert await served.get(path) == (404, b"")
        assert await served.get(f"{SECRET}/{SECRET}/register_code") == (404, b"")
        assert await served.get(f"{SECRET.upper()}/register_code") == (404, b"")
        assert await served.get("%00/register_code") == (404, b"")
        assert served.counted()['ivr_ussd_refused_total{why="secret"}'] == 8
        assert len(served.opened) == 1


async def test_without_one_nothing_stands_before_the_service(served: Served) -> None:
    assert (await served.get("register_code"))[0] == 200
    assert await served.get("x/register_code") == (404, b"")


async def test_another_address(tmp_path: Path) -> None:
    """Whoever the provider is not gets nothing, whatever they know."""
    async with serving(tmp_path, UssdSettings(allow=(ip_network("10.1.0.0/16"),))) as served:
        assert await served.get() == (404, b"")
        assert await served.get("pay_invoice", **PAID) == (404, b"")
        assert (
            served.counted() == {'ivr_ussd_refused_total{why="address"}': 2} and not served.opened and not served.said
        )


def test_addresses_are_networks_of_either_kind() -> None:
    """IPv4 that came over an IPv6 socket is the same address."""
    settings = UssdSettings(allow=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))
    for host in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"):
        assert settings.lets_in(host)
    for other in ("10.2.0.1", "::1", "::ffff:10.2.0.1", "", "localhost", None):
        assert not settings.lets_in(other)


# -- what is asked -----------------------------------------------------------------------------------------------------


async def test_another_service(served: Served) -> None:
    for path in ("nobody", "", "register_code/", "register_code/x"):
        assert await served.get(path) == (404, b"")


async def test_a_wrong_code_opens_no_session(served: Served) -> None:
    """Nothing of it is kept, answered or shown, only counted; a service is no other service's code."""
    for call in ("*6655*124", "*6655", "*1*6655*123", "", "*6655*1234*1"):
        assert await served.get(**{**DIAL, "call": call}) == (400, b"")
    assert not served.opened and served.counted() == {'ivr_ussd_refused_total{why="code"}': 5}
    assert await served.network.store.screens.look(Key("register_code", "123|09121234567")) is None


async def test_what_cannot_be_read_is_counted_by_why(served: Served) -> None:
    """Under a word of ours, never under what was sent."""
    await served.get(call="*6655*123")
    await served.get(sessionid="1", call="*6655*123")
    await served.get(**DIAL, x="y" * 3000)
    assert served.counted() == {f'ivr_ussd_refused_total{{why="{why}"}}': 1 for why in ("session", "mobile", "length")}


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_only_get_asks(served: Served, method: str) -> None:
    """Whoever looks beforehand, or sends a form, moves no session."""
    assert await served.get(method=method) == (405, b"")
    assert not served.opened


async def test_a_body_says_nothing(served: Served) -> None:
    """A network that sends one all the same is answered by its query."""
    async with served.web.request("GET", f"{served.url}/register_code", params=DIAL, data=b"x" * 100_000) as answer:
        assert answer.status == 200


# -- how much ----------------------------------------------------------------------------------------------------------


async def test_one_mobile_asks_too_often(tmp_path: Path) -> None:
    """It reads that we are busy; others do not, and after a while neither does it."""
    async with serving(tmp_path, UssdSettings(most_a_minute=3)) as served:
        busy = (200, words_of("screen/busy").encode())
        shown = [await served.get() for _ in range(4)]
        assert shown[3] == busy and busy not in shown[:3]
        assert await served.get(**{**DIAL, "mobile": "09131234567"}) != busy
        assert await served.get(**{**DIAL, "mobile": "+989121234567"}) == busy
        served.network.clock.now += 20
        assert await served.get() == shown[0]
        assert served.counted()['ivr_ussd_refused_total{why="busy"}'] == 2


class Slow:
    """A store that opens its door later."""

    def __init__(self) -> None:
        self.door = asyncio.Event()

    async def take(self, *arguments: object, **named: object) -> object:
        await self.door.wait()
        raise Unusable("the disk is full")


async def test_too_many_at_once(tmp_path: Path) -> None:
    """Whoever comes then reads that we are busy at once; nobody waits behind the others. Those whose session cannot be
    kept read of a technical problem, and nothing is charged."""
    slow = Slow()
    async with serving(tmp_path, UssdSettings(most_requests=5), slow) as served:
        waiting = [asyncio.create_task(served.get(**{**DIAL, "mobile": f"0912123450{number}"})) for number in range(5)]
        async with asyncio.timeout(20):
            while len(served.opened) < 5:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)
        assert await served.get() == (200, words_of("screen/busy").encode())
        slow.door.set()
        technical = (200, words_of("common/technical_problem").encode())
        assert await asyncio.gather(*waiting) == [technical] * 5
        assert await served.get() == technical
        assert served.counted()['ivr_ussd_refused_total{why="store"}'] == 6


# -- paid, it is said --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settled", "words", "result"),
    [
        (True, "screen/confirmed", "confirmed"),
        (False, "screen/not_confirmed", "not_confirmed"),
        (None, "screen/not_confirmed", "unknown_payment"),
        (Unusable("the disk is full"), "screen/not_confirmed", "not_confirmed"),
    ],
)
async def test_a_callback(served: Served, settled: bool | Exception | None, words: str, result: str) -> None:
    """Forged, repeated or late, it is handed to whoever asks the provider; no session is opened or changed by it."""
    served.settled = settled
    for _ in range(2):
        assert await served.get("pay_invoice", **PAID) == (200, words_of(words).encode())
    assert served.said == [("ussd", SaidPaid("123", "09121234567", "42", "77001", "12345"))] * 2
    assert served.counted() == {f'ivr_ussd_callbacks_total{{result="{result}"}}': 2} and not served.opened


async def test_a_callback_to_a_service_that_takes_no_money(served: Served) -> None:
    """Nobody is asked about it."""
    await served.get("register_code", **{**PAID, "call": "*6655*123*42*77001"})
    assert served.said == [] and served.counted() == {'ivr_ussd_callbacks_total{result="unknown_payment"}': 1}


async def test_figures(served: Served) -> None:
    """Screens by service, and how long they took."""
    for call in ("*6655*123", "*6655*123*4711"):
        await served.get(**{**DIAL, "call": call})
    assert served.counted() == {'ivr_ussd_screens_total{service="register_code"}': 2}
    assert "ivr_ussd_seconds_count 2.0" in generate_latest(served.observer.registry).decode()


async def test_a_service_that_is_new(served: Served) -> None:
    """After a reload it is served by the same process."""
    assert await served.get("again") == (404, b"")
    dialplan = served.network.dialplan
    served.network.dialplan = replace(dialplan, services=[*dialplan.services, replace(REGISTER, name="again")])
    assert (await served.get("again"))[0] == 200
