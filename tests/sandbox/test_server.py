"""The sandbox's own desk, its start and its end."""

import asyncio
import socket

import aiohttp
import pytest
from typer.testing import CliRunner

from ivr.cli import cli
from ivr.providers.paystar_saman import PaystarSaman
from ivr.sandbox.server import SandboxServer, run_sandbox
from ivr.sandbox.settings import SandboxSettings
from ivr.sandbox.ussd_settings import UssdSettings, read_service
from tests.providers.raw_server import free_port


async def test_invoices_in_any_state_can_be_made(
    sandbox: SandboxServer, paystar: PaystarSaman, web: aiohttp.ClientSession
) -> None:
    """A test or a demo sets the scene over HTTP."""
    url = f"{sandbox.admin_url}/_sandbox/invoices"
    for state, exit in (("open", "ok"), ("paid", "already_paid"), ("expired", "expired"), ("blocked", "blocked")):
        async with web.post(url, json={"amount": 5000, "tracking_code": "77", "state": state}) as answer:
            assert (answer.status, (await answer.json())["state"]) == (201, state)
        assert (await paystar.ask("create_transaction", {"invoice_id": "77"})).exit == exit
    async with web.post(url, json={"amount": 5000}) as answer:
        code = (await answer.json())["tracking_code"]
    async with web.get(url) as answer:
        assert code in [invoice["tracking_code"] for invoice in (await answer.json())["invoices"]]


async def test_what_was_asked_can_be_read(
    sandbox: SandboxServer, paystar: PaystarSaman, web: aiohttp.ClientSession
) -> None:
    """In order, with the result, without names of customers."""
    await paystar.ask("create_invoice", {"amount": 5000, "order_id": "7", "customer_name": "Ali"})
    await paystar.ask("create_transaction", {"invoice_id": "1", "caller": "0912"})
    async with web.get(f"{sandbox.admin_url}/_sandbox/requests") as answer:
        requests = (await answer.json())["requests"]
    assert [(line["number"], line["operation"], line["result"], line["fields"]) for line in requests] == [
        (1, "create_factor", "ok", {"amount": "5000", "order_id": "7"}),
        (2, "create_transaction", "2", {"invoice_id": "1", "merchant_cid": "0912", "ivr": "0", "type": "1"}),
    ]


async def test_faults_over_http(sandbox: SandboxServer, web: aiohttp.ClientSession) -> None:
    """Set, look, clear."""
    url = f"{sandbox.admin_url}/_sandbox/faults"
    async with web.post(url, json={"operation": "settle", "kind": "http_error", "times": 3, "status": 502}) as answer:
        assert answer.status == 201
    async with web.get(url) as answer:
        assert [fault["times"] for fault in (await answer.json())["faults"]] == [3]
    async with web.delete(url) as answer:
        assert await answer.json() == {"faults": []}
    assert sandbox.faults.all() == []


async def test_a_link_that_a_flow_has_a_notice_for(sandbox: SandboxServer, web: aiohttp.ClientSession) -> None:
    """The sandbox sends its SMS, once, to whom it is for; other notices send none."""
    url = f"{sandbox.admin_url}/_sandbox/sms"
    link = {"id": "n-1", "event": "payment_link", "values": {"url": "http://pay.test/1", "mobile": "09121234567"}}
    for notice in (link, link, {**link, "id": "n-2", "event": "paid"}):
        async with web.post(url, json={**notice, "call_id": "1.1", "flow": "f", "time": "now"}) as answer:
            assert answer.status == 204
    async with web.get(url) as answer:
        [sms] = (await answer.json())["sms"]
    assert sms["to"] == "09121234567" and "http://pay.test/1" in sms["text"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sms", "{}"),
        ("invoices", "{"),
        ("invoices", '{"amount": 0}'),
        ("invoices", '{"amount": 1, "state": "lost"}'),
        ("invoices", '{"amount": 1, "tracking_code": "12a"}'),
        ("invoices", '{"amount": 1, "colour": "red"}'),
        ("faults", '{"operation": "settle", "kind": "earthquake"}'),
        ("faults", '{"operation": "x", "kind": "drop"}'),
    ],
)
async def test_a_mistake_is_explained(sandbox: SandboxServer, web: aiohttp.ClientSession, path: str, body: str) -> None:
    """400 and a sentence."""
    async with web.post(f"{sandbox.admin_url}/_sandbox/{path}", data=body) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]


async def test_a_taken_port_is_said_at_the_start_and_nothing_stays_open() -> None:
    """Two sandboxes do not share a port in silence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        free = free_port()
        sandbox = SandboxServer(SandboxSettings(paystar_port=free, bank_port=taken.getsockname()[1]))
        with pytest.raises(OSError, match="in use"):
            await sandbox.start()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", free)


async def test_two_sandboxes_cannot_have_the_same_port() -> None:
    """Though a port that is kept for a refusing provider could be shared, it is not."""
    async with SandboxServer() as first:
        port = int(first.paystar_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await SandboxServer(SandboxSettings(paystar_port=port)).start()


async def test_run_says_where_everything_is() -> None:
    """`ivr sandbox` shows addresses and demo invoices, and no card."""
    said: list[str] = []
    told = asyncio.Event()

    def say(text: str) -> None:
        said.append(text)
        if "blocked" in text:
            told.set()

    ussd = UssdSettings((read_service("*6655*123=http://127.0.0.1:8080/ussd/register_code"),))
    running = asyncio.create_task(run_sandbox(SandboxSettings(ussd=ussd), say))
    async with asyncio.timeout(5):
        await told.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    text = "".join(said)
    for line in ("PayStar  http://127.0.0.1:", "Mellat   http://127.0.0.1:", "web      http://127.0.0.1:"):
        assert line in text
    assert "/_sandbox/sms.html" in text and "/phone\n" in text and "\n*6655*123#  http://127.0.0.1:8080/" in text
    assert "65843148" in text
    assert "603799" not in text


def test_ids_can_be_repeated() -> None:
    """A seed makes a test's ids the same each time."""

    def some() -> list[str]:
        books = SandboxServer(SandboxSettings(seed=1)).books
        return [books.add_invoice(1).tracking_code for _ in range(3)]

    assert some() == some()


def test_a_wrong_service_on_the_command_line() -> None:
    """One line says how it is written, and nothing starts."""
    ended = CliRunner().invoke(cli, ["sandbox", "--ussd", "6655"])
    assert ended.exit_code == 1 and "CODE=URL" in ended.output and "Traceback" not in ended.output
