"""What operators see while calls go on, and what callers notice when the things around us go and come back.

Whoever breaks something here mends it before leaving; the tests are in the order of a bad day.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ivr.lab.party import Party
from ivr.lab.town import HOUSE, PAY_NUMBER, Town
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from ivr.store.opening import JOURNAL_FILE
from tests.deployment import Deployment
from tests.end_to_end.proxy import Proxy
from tests.end_to_end.serve_log import ServeLog
from tests.end_to_end.stage import Stage, eventually

Story = asyncio.Task[list[tuple[int | None, str]]]
"""How each command of a lab ended, and what it printed."""

CALL_FIGURES = ("ivr_calls_total", "ivr_legs_total", "ivr_provider_seconds_count", "ivr_post_key_seconds_count")


async def health(party: Party) -> tuple[int, dict[str, str]]:
    """The status and each part's words."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{party.web_url}/healthz")
    return answer.status_code, answer.json()["parts"]


async def part(party: Party, name: str, good: Callable[[str], bool]) -> tuple[int, str]:
    """The status and one part's words, as soon as they are as wanted."""

    async def look() -> tuple[int, str]:
        status, parts = await health(party)
        return status, parts[name]

    return await eventually(look, lambda seen: good(seen[1]))


async def figures(party: Party) -> dict[str, float]:
    """Every figure by name, labels summed up."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"{party.web_url}/metrics")).text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def test_figures_and_log_lines_of_a_call(stage: Stage) -> None:
    """A paid call moves every figure that is about calls; each of its log lines says which call, none says what."""
    merchant = stage.town.merchant
    log, before = ServeLog(merchant), await figures(merchant)
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(code)
    await caller.pays()
    await caller.hears("pay/paid")
    await caller.hangs_up()
    (ended,) = await log.shows("call_ended")
    after = await figures(merchant)
    assert [name for name in CALL_FIGURES if not after[name] > before.get(name, 0)] == []
    assert after["ivr_loop_lag_seconds_count"] > before["ivr_loop_lag_seconds_count"]
    assert after["ivr_calls_in_progress"] == 0
    mine = [line for line in log.lines() if line.get("call_id") == ended["call_id"]]
    assert {"call_started", "provider_asked", "payment", "leg_ended"} <= {line["event"] for line in mine}
    assert code not in json.dumps(mine)


async def test_a_provider_that_cannot_be_reached(stage: Stage) -> None:
    """Serving starts without it, health says so, callers hear its words; when it is back, all is well by itself."""
    town = stage.town
    await town.sandbox.set_fault(Fault("create_transaction", FaultKind.REFUSE, seconds=600))
    try:
        await town.merchant.stop_app()
        await town.merchant.start_app()
        status, said = await part(town.merchant, "provider paystar", lambda said: said != "ok")
        assert status == 200 and "paystar does not answer" in said
        caller = await stage.call(PAY_NUMBER)
        await caller.barges("invoice/welcome", "65843148#")
        await caller.hears("pay/provider_unreachable")
        await caller.hangs_up()
    finally:
        await town.sandbox.clear_faults()
    assert await part(town.merchant, "provider paystar", lambda said: said == "ok") == (200, "ok")


async def test_a_journal_that_is_locked(town: Town) -> None:
    """Another program holds the book: health says so, and recovers with it."""
    other = sqlite3.connect(town.merchant.storage / JOURNAL_FILE, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        status, said = await part(town.merchant, "journal", lambda said: said != "ok")
        assert status == 503 and said
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert await part(town.merchant, "journal", lambda said: said == "ok") == (200, "ok")


async def test_a_wrong_password_for_asterisk(town: Town, tmp_path: Path, recordings: Path) -> None:
    """Said at once, in one line with user and address, and never tried again: Asterisk would lock us out."""
    url = f"http://{town.merchant.address}:{town.merchant.ari_port}"
    ari = {"url": url, "username": "ivr", "password": {"env": "TEST_ARI_PASSWORD"}, "application": "other"}
    deployment = Deployment(tmp_path, recordings, {"asterisk": {"ari": ari, "sounds": str(recordings)}}).write()
    ran = await asyncio.to_thread(deployment.run, "serve")
    assert ran.status == 1
    assert ran.complaint == f"Asterisk's ARI at {url}/ari refuses user 'ivr': wrong user name or password"


async def test_asterisk_is_restarted(stage: Stage) -> None:
    """Health names Asterisk while it is away; afterwards calls come in again without anybody's doing."""
    merchant = stage.town.merchant
    log = ServeLog(merchant)
    await merchant.instance.stop()
    status, said = await part(merchant, "asterisk", lambda said: said != "ok")
    assert status == 503 and merchant.address in said
    await log.shows("ari_not_reconnected")
    await merchant.start_asterisk()
    assert await part(merchant, "asterisk", lambda said: said == "ok") == (200, "ok")
    caller = await stage.call(PAY_NUMBER)
    await caller.hears("invoice/welcome")
    await caller.hangs_up()
    assert merchant.app_pid is not None


@asynccontextmanager
async def behind_a_proxy(merchant: Party) -> AsyncIterator[Proxy]:
    """The merchant's application reaches its Asterisk by a proxy; afterwards directly again."""
    usual = merchant.config.read_text(encoding="utf-8")
    async with Proxy((merchant.address, merchant.ari_port)) as proxy:
        config: dict[str, Any] = yaml.safe_load(usual)
        config["asterisk"]["ari"]["url"] = proxy.url
        merchant.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        await merchant.stop_app()
        await merchant.start_app()
        try:
            yield proxy
        finally:
            merchant.config.write_text(usual, encoding="utf-8")
            await merchant.stop_app()
            await merchant.start_app()


async def test_the_connection_to_asterisk_breaks_in_mid_call(stage: Stage) -> None:
    """In the greeting, in the question, at the bank: the caller notices at most a pause, and pays."""
    merchant = stage.town.merchant
    async with behind_a_proxy(merchant) as proxy:
        log = ServeLog(merchant)
        code = stage.invoice().tracking_code
        caller = await stage.call(PAY_NUMBER)
        await caller.hears("invoice/welcome", share=0.2)
        proxy.cut()
        await caller.barges("invoice/enter_number", f"{code}#")
        await caller.hears("pay/amount_payable", share=0.5)
        proxy.open_ = False
        proxy.cut()
        await log.shows("ari_not_reconnected")
        proxy.open_ = True
        await caller.barges("pay/press_keys", "1")
        await caller.hears("bank/enter_card", share=0.2)
        proxy.cut()
        await caller.call.key(DEMO_CARDS[0].pan.reveal(), secret=True)
        await caller.hears("bank/enter_pin", share=0.2)
        await caller.call.key(f"{DEMO_CARDS[0].pin.reveal()}#", secret=True)
        await caller.hears("pay/paid")
        await caller.hangs_up()
        assert log.events().count("ari_connection_lost") == 3
        assert log.errors() == []


async def test_the_lab_comes_up_takes_a_call_and_goes(lab_story: Story) -> None:
    """`ivr lab up`, `call` and `down`, as `make up` and people use them."""
    up, again, call, down, nothing, nobody = await lab_story
    assert up[0] == 0 and f"sip:{PAY_NUMBER}@" in up[1], up
    assert again[0] == 1 and "running already" in again[1]
    assert call[0] == 0 and "صد و شصت هزار" in call[1] and "پرداخت شما با موفقیت" in call[1], call
    assert down == (0, "stopped\n") and nothing == (0, "nothing is running\n")
    assert nobody == (1, "no lab is running: ivr lab up\n")


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def lab_story() -> AsyncIterator[Story]:
    """A lab of its own, told beside the other tests: a call takes its time."""
    story = asyncio.create_task(_lab_story())
    yield story
    await asyncio.wait((story,))


async def _lab_story() -> list[tuple[int | None, str]]:
    told = [await _lab(command) for command in ("up", "up")]
    try:
        told.append(await _lab("call"))
    finally:
        told.append(await _lab("down"))
    return told + [await _lab(command) for command in ("down", "call")]


async def _lab(command: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ivr", "lab", command),
        cwd=HOUSE,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_the_sandbox_alone() -> None:
    """`ivr sandbox` says where everything is, and serves it until it is stopped."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ivr", "sandbox", "--paystar-port", "0", "--bank-port", "0", "--admin-port", "0"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    places = dict([(await process.stdout.readline()).decode().split()[:2] for _ in range(3)])
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(places["admin"])).status_code < 500
    process.send_signal(signal.SIGINT)
    _, complaint = await process.communicate()
    assert process.returncode == 1 and complaint == b"stopped\n"
