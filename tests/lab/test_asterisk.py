"""A private Asterisk really runs from rendered configuration, and is gone afterwards."""

import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from ivr.asterisk.render import BENCH_MODULES, Away
from ivr.asterisk.settings import Ari, AsteriskSettings, Trunk
from ivr.domain.errors import Unusable
from ivr.domain.secret import Secret
from ivr.lab.addresses import Block, free_port, sip_port
from ivr.lab.asterisk import Installation, Instance
from tests.lab.talk import Listener, tone

PASSWORD = "semi;colon"
OURS = "42473000"


def settings(address: str, *trunks: Trunk, sounds: str = "/nowhere") -> AsteriskSettings:
    return AsteriskSettings(
        Ari(f"http://{address}:{free_port(address, 8088)}", "ivr", Secret(PASSWORD)),
        sounds,
        sip_bind=f"{address}:{sip_port(address)}",
        trunks=trunks,
    )


async def test_it_takes_calls_and_answers_only_those_who_know_the_password(
    asterisk: Installation, block: Block, home: Path
) -> None:
    """The trunks are there, ARI asks for the password, and the log holds no complaint."""
    address = block.address()
    config = settings(address, Trunk("operator", block.address(), match=(block.address(),)), Trunk("bank", "192.0.2.1"))
    instance = Instance(asterisk, "merchant", home)
    instance.configure(config, [OURS], extra_modules=BENCH_MODULES)
    async with instance, httpx.AsyncClient(base_url=config.ari.url) as ari:
        endpoints = await instance.rx("pjsip show endpoints")
        assert "operator" in endpoints and "bank" in endpoints
        assert (await ari.get("/ari/asterisk/info")).status_code == 401
        assert (await ari.get("/ari/asterisk/info", auth=("ivr", PASSWORD))).status_code == 200
        assert "not running" not in (await instance.rx("module show")).lower()

        instance.configure(config, [OURS, "42473001", "4247ZXXX"])
        await instance.reload()
        shown = await instance.rx("dialplan show from-operator")
        assert "'42473001'" in shown and "'_4247ZXXX'" in shown
        for dialled, extension in (
            ("42473001", "'42473001'"),
            ("42479876", "'_4247ZXXX'"),
            ("42470876", "no existence"),
        ):
            assert extension in await instance.rx(f"dialplan show {dialled}@from-operator")
        assert instance.faults() == []
        pid = instance.pid
        assert pid is not None and psutil.pid_exists(pid)
    assert instance.pid is None
    assert not psutil.pid_exists(pid)


async def test_a_taken_port_is_told_at_once(asterisk: Installation, block: Block, home: Path) -> None:
    """Asterisk itself would go on without SIP, and the first call would fail."""
    config = settings(block.address())
    async with AsyncExitStack() as stack:
        first = Instance(asterisk, "first", home / "1")
        first.configure(config)
        await stack.enter_async_context(first)
        second = Instance(asterisk, "second", home / "2")
        second.configure(config)
        with pytest.raises(Unusable, match="second did not start cleanly"):
            await second.start()
        assert second.pid is None


async def test_without_configuration_the_reason_is_named(asterisk: Installation, home: Path) -> None:
    """One line says what is wrong, not a timeout."""
    with pytest.raises(Unusable, match="ended at once"):
        await Instance(asterisk, "empty", home).start()


def test_it_dies_with_its_parent(asterisk: Installation, block: Block, home: Path) -> None:
    """After `kill -9` of a demo nothing keeps its ports."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.orphan", str(home), block.address()], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        child.wait(timeout=5)


async def test_calls_between_two_instances(asterisk: Installation, block: Block, home: Path, tmp_path: Path) -> None:
    """Our caller id arrives as name and number; a foreign number gets 404; while the application is away the caller
    hears ringing and then an apology."""
    tone(tmp_path / "fa" / "common" / "sorry_try_later.wav", seconds=0.5)
    here, there = block.address(), block.address()
    bank = settings(here, Trunk("merchant", there, match=(there,)), sounds=str(tmp_path))
    far_port = int(bank.sip_bind.rpartition(":")[2])
    merchant = settings(there, Trunk("bank", here, port=far_port))
    async with AsyncExitStack() as stack:
        called, caller = Instance(asterisk, "bank", home / "bank"), Instance(asterisk, "merchant", home / "merchant")
        called.configure(bank, [OURS], away=Away(tries=1, pause_seconds=1))
        caller.configure(merchant)
        await stack.enter_async_context(called)
        await stack.enter_async_context(caller)
        ears = await stack.enter_async_context(_listen(merchant))
        ari = await stack.enter_async_context(httpx.AsyncClient(base_url=merchant.ari.url, auth=("ivr", PASSWORD)))

        async def dial(number: str, channel: str) -> None:
            caller_id = "2191071390*10000005*65843148"
            query = {
                "endpoint": f"PJSIP/{number}@bank",
                "app": "ivr",
                "channelId": channel,
                "callerId": f'"{caller_id}" <{caller_id}>',
            }
            (await ari.post("/ari/channels", params=query)).raise_for_status()

        listener = Listener(ears)
        await dial("12345678", "foreign")
        ended = await listener.until("ChannelDestroyed", "foreign")
        assert ended["cause"] == 1
        assert "StasisStart" not in listener.kinds("foreign")

        await dial(OURS, "away")
        await listener.until("ChannelDestroyed", "away")
        assert listener.states("away") == ["Ringing", "Up"]

        async with _listen(bank) as bank_ears:
            await dial(OURS, "here")
            arrived: dict[str, Any] = await Listener(bank_ears).until("StasisStart", None)
            assert arrived["args"] == ["merchant", "allowed_not_screened"]
            assert arrived["channel"]["dialplan"]["exten"] == OURS
            assert arrived["channel"]["caller"] == {
                "name": "2191071390*10000005*65843148",
                "number": "2191071390*10000005*65843148",
            }
            async with httpx.AsyncClient(base_url=bank.ari.url, auth=("ivr", PASSWORD)) as bank_ari:
                (await bank_ari.delete(f"/ari/channels/{arrived['channel']['id']}")).raise_for_status()
            await listener.until("ChannelDestroyed", "here")
        assert caller.faults() == []
        assert [fault for fault in called.faults() if "'ivr'" not in fault] == []  # it may say who was away


def _listen(config: AsteriskSettings) -> connect:
    url = config.ari.url.replace("http://", "ws://")
    return connect(f"{url}/ari/events?app=ivr&api_key=ivr:{PASSWORD.replace(';', '%3B')}")
