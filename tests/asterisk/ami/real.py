"""A real Asterisk with its manager open to us, a second account that hears everything, and a dialplan to play with."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.settings import AmiSettings, Ari, AsteriskSettings, Trunk
from ivr.domain.secret import Secret
from ivr.lab.asterisk import Instance, ensure_asterisk

MODULES = ("app_mixmonitor", "app_queue", "app_userevent", "app_senddtmf", "res_clioriginate")
NUMBER = "4247"

DIALPLAN = """
[lab]
exten = hum,1,Answer()
 same = n(again),Playback({home}/hum)
 same = n,Goto(again)
exten = recorded,1,Answer()
 same = n,MixMonitor({home}/call.wav)
 same = n,Wait(120)
exten = quiet,1,Answer()
 same = n,Wait(120)
exten = keys,1,Answer()
 same = n,Set(CARD=4711)
 same = n,SendDTMF(4711#)
 same = n,UserEvent(Keyed,Invoice: 65843148)
 same = n,Hangup()
exten = there,1,UserEvent(Arrived,Where: there)
 same = n,Wait(120)
exten = here,1,UserEvent(Arrived,Where: here)
 same = n,Wait(120)
exten = queue,1,Answer()
 same = n,Queue(sales)
"""
QUEUES = "[general]\n[sales]\nringinuse = no\nmember => Local/quiet@lab/n\n"
EVERYTHING = "\n[everything]\nsecret = everything\nread = all\nwrite = all\n"


def settings(own: str, caller: str, home: Path) -> AsteriskSettings:
    return AsteriskSettings(
        ari=Ari(f"http://{own}:8088", "tester", Secret("geheim-8088")),
        sounds=str(home),
        sip_bind=f"{own}:5060",
        trunks=(Trunk("peer", caller, match=(caller,)),),
        ami=AmiSettings("ivr", Secret("ge;heim-5038"), own),
    )


def prepare(config: AsteriskSettings, home: Path) -> Instance:
    """Configured, with what the tests need besides what we render; not started."""
    instance = Instance(ensure_asterisk(), "ami", home)
    instance.configure(config, (NUMBER,), extra_modules=MODULES)
    with (instance.etc / "extensions.conf").open("a") as file:
        file.write(DIALPLAN.format(home=home))
    with (instance.etc / "manager.conf").open("a") as file:
        file.write(EVERYTHING)
    (instance.etc / "queues.conf").write_text(QUEUES)
    return instance


class Tap:
    """A bare connection that keeps what Asterisk sends to an account, as it is."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.text = ""
        self._reader = reader

    def events(self) -> list[str]:
        return re.findall(r"^Event: (\w+)", self.text, re.MULTILINE)

    async def until(self, text: str) -> None:
        """Read until this was said."""
        async with asyncio.timeout(20):
            while text not in self.text:
                self.text += (await self._reader.read(65536)).decode(errors="replace")


@asynccontextmanager
async def tap(ami: AmiSettings, username: str, secret: str) -> AsyncIterator[Tap]:
    reader, writer = await asyncio.open_connection(ami.host, ami.port)
    writer.write(f"Action: Login\r\nUsername: {username}\r\nSecret: {secret}\r\n\r\n".encode())
    made = Tap(reader)
    try:
        await made.until("FullyBooted")
        yield made
    finally:
        writer.close()
        await writer.wait_closed()


async def channels(client: AmiClient) -> list[str]:
    """The names of all channels."""
    reply = await client.action("CoreShowChannels", {})
    return [one["channel"] for one in reply.events]
