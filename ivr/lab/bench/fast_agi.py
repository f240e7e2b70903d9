"""(b): the same call over FastAGI, as a process of its own: panoramisk's request object, our provider client.

Law: the request header is read by us, with an end: panoramisk's own server spins for ever on a connection that is
closed before its header is whole. Run as `python -m ivr.lab.bench.fast_agi HOST PORT PROVIDER_URL SOUNDS`, the
gateway's sequence in PAYSTAR_SEQUENCE; it says `ready` and runs until it is ended.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
import uvloop
from panoramisk.fast_agi import Application, Request

from ivr.domain.errors import IvrError
from ivr.domain.secret import Secret
from ivr.lab.bench import handmade
from ivr.lab.bench.settings import MERCHANT_PHONE
from ivr.providers.paystar_saman import PaystarSaman, PaystarSamanSettings
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.logs import configure_logs

MOST_HEADER: Final = 64 * 1024
"""Bytes of a request's header, and of a reply."""
HEADER_SECONDS: Final = 5.0
BACKLOG: Final = 512

_log = structlog.get_logger("ivr.bench.fast_agi")


class _HungUp(Exception):
    """The caller is gone, or Asterisk refused a command: nothing more can be done for this call."""


class FastAgi:
    """Takes connections, one for each call."""

    def __init__(self, provider: PaystarSaman, sounds: Path) -> None:
        self._provider = provider
        self._sounds = sounds
        self._application = Application(loop=asyncio.get_running_loop())

    async def serve(self, host: str, port: int) -> asyncio.Server:
        """Listen."""
        return await asyncio.start_server(self._connected, host, port, limit=MOST_HEADER, backlog=BACKLOG)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                header = await reader.readuntil(b"\n\n")
            headers = dict(line.split(": ", 1) for line in header.decode().splitlines() if ": " in line)
            request = Request(app=self._application, headers=headers, reader=reader, writer=writer)
            await self._call(_Line(request), headers.get("agi_callerid", ""))
        except (_HungUp, OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as exc:
            _log.info("call_ended", how=type(exc).__name__)
        except IvrError as exc:
            _log.error("call_failed", error=str(exc))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _call(self, line: "_Line", caller: str) -> None:
        await line.command("ANSWER")
        await line.execute("Read", "INVOICE", self._files(*handmade.ASK_INVOICE), handmade.MOST_DIGITS, "", 1, 7)
        invoice = await line.variable("INVOICE")
        made = await self._provider.ask("create_transaction", {"invoice_id": invoice, "caller": caller})
        if made.exit != "ok":
            await self._sorry(line)
            return
        transaction, merchant = str(made.values["transaction_id"]), str(made.values["merchant_id"])
        amount = int(str(made.values["amount"]))
        await line.execute("Read", "KEY", self._files(*handmade.read_amount(amount)), 1, "", 1, 7)
        if await line.variable("KEY") != "1":
            await self._sorry(line)
            return
        await line.execute("Playback", self._files(*handmade.CONNECTING))
        who = f"{MERCHANT_PHONE}*{merchant}*{transaction}"
        await line.command(f'SET VARIABLE CALLERID(all) "\\"{who}\\" <{who}>"')
        await line.execute("Dial", f"PJSIP/{MERCHANT_PHONE}@bank", 30, f"gb(bench-headers^s^1({amount}))")
        result = await self._provider.ask("result", {"invoice_id": invoice})
        if result.exit != "paid":
            await self._sorry(line)
            return
        await line.execute("Playback", self._files(*handmade.paid(transaction)))
        await line.execute("Playback", self._files(*handmade.GOODBYE))
        await line.command("HANGUP")

    async def _sorry(self, line: "_Line") -> None:
        await line.execute("Playback", self._files(*handmade.NOT_CONFIRMED))
        await line.command("HANGUP")

    def _files(self, *prompts: str) -> str:
        return handmade.files(self._sounds, prompts)


class _Line:
    """panoramisk's request object behind a guard: every answer that is not a good one ends the call."""

    def __init__(self, request: Request) -> None:
        self._request = request

    async def command(self, command: str) -> tuple[str, str]:
        """The result's value and its text in brackets. Raises _HungUp."""
        answer = await self._request.send_command(command)
        if "error" in answer or answer.get("status_code") != 200:
            raise _HungUp
        value, text = answer["result"]
        return str(value), str(text)

    async def execute(self, application: str, *arguments: str | int) -> None:
        """An application of the dialplan."""
        joined = ",".join(str(argument) for argument in arguments)
        await self.command(f'EXEC {application} "{joined}"')

    async def variable(self, name: str) -> str:
        """A channel variable; empty when it is not set."""
        return (await self.command(f"GET VARIABLE {name}"))[1]


async def main(host: str, port: int, provider_url: str, sounds: Path) -> None:
    """Run until ended."""
    http = HttpSettings(provider_url, connect_seconds=2.0, read_seconds=3.0)
    provider = PaystarSaman(PaystarSamanSettings(http, Secret(os.environ["PAYSTAR_SEQUENCE"])))
    server = await FastAgi(provider, sounds).serve(host, port)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    configure_logs()
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])))
