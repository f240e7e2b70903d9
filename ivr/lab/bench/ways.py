"""The three ways of answering the same call, each with an Asterisk of its own.

Law: the three Asterisks are rendered alike, load the same modules and know the same trunks; only the dialplan and the
process beside them differ.
"""

import asyncio
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ivr.asterisk.render import BENCH_MODULES
from ivr.domain.errors import Unusable
from ivr.lab.addresses import free_port
from ivr.lab.asterisk import Installation
from ivr.lab.bench import handmade
from ivr.lab.bench.settings import MERCHANT_PHONE, NUMBER
from ivr.lab.party import Party
from ivr.sandbox.settings import DEMO_GATEWAY

READY_SECONDS: Final = 20.0
STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is the same for all ways."""

    asterisk: Installation
    trunks: Mapping[str, Mapping[str, object]]
    provider_url: str
    recordings: Path
    prompts: Path
    dialplan: Path


class Way(ABC):
    """One way: its Asterisk and, perhaps, a process beside it."""

    letter: str
    what: str

    def __init__(self, around: Surroundings, address: str, home: Path) -> None:
        self.around = around
        self.party = Party(self.letter, address, home, around.asterisk)
        self.party.environment["PAYSTAR_SEQUENCE"] = DEMO_GATEWAY.sequence.reveal()

    @property
    def target(self) -> tuple[str, int]:
        """Where its Asterisk takes calls."""
        return self.party.address, self.party.sip_port

    @property
    def asterisk_pid(self) -> int:
        """Its Asterisk's process. Raises Unusable when it is gone."""
        if self.party.instance.pid is None:
            raise Unusable(f"({self.letter}): its Asterisk has ended: see {self.party.instance.log}")
        return self.party.instance.pid

    @property
    def application_pid(self) -> int | None:
        """The process beside it, if there is one."""
        return None

    async def start(self) -> None:
        """Start everything of it; it takes calls afterwards."""
        self._configure(self.around)
        await self.party.instance.start()  # without the capture that a party's Asterisk otherwise makes

    async def stop(self) -> None:
        """Stop everything of it."""
        await self.party.stop()

    async def quiet(self) -> bool:
        """Whether its Asterisk has no call any more."""
        return (await self.party.instance.rx("core show channels count")).startswith("0 active channels")

    async def approved(self) -> set[str] | None:
        """The invoices that its own journal says are paid; None for a way that keeps none."""
        return None

    @abstractmethod
    def _configure(self, around: Surroundings) -> None: ...

    def _configure_party(self, numbers: list[dict[str, Any]]) -> None:
        paystar: dict[str, object] = {
            "kind": "paystar_saman",
            "base_url": self.around.provider_url,
            "sequence": {"env": "PAYSTAR_SEQUENCE"},
            "read_timeout": "3s",
            "connect_timeout": "2s",
        }
        self.party.configure(
            trunks=self.around.trunks,
            providers={"paystar": paystar},
            dialplan=self.around.dialplan,
            numbers=numbers,
            recordings=self.around.recordings,
            prompts=self.around.prompts,
            modules=(*BENCH_MODULES, *handmade.MODULES),
        )

    def _add_dialplan(self, text: str) -> None:
        with (self.party.instance.etc / "extensions.conf").open("a", encoding="utf-8") as file:
            file.write(text)


class Handmade(Way):
    """(a)"""

    letter = "a"
    what = "dialplan, Read + CURL"

    def _configure(self, around: Surroundings) -> None:
        self._configure_party([])
        sequence = self.party.environment["PAYSTAR_SEQUENCE"]
        self._add_dialplan(handmade.dialplan(around.recordings, around.provider_url, sequence))


class OverFastAgi(Way):
    """(b)"""

    letter = "b"
    what = "FastAGI, panoramisk"

    def __init__(self, around: Surroundings, address: str, home: Path) -> None:
        super().__init__(around, address, home)
        self._port = free_port(address, 4573)
        self._server: asyncio.subprocess.Process | None = None

    @property
    def application_pid(self) -> int | None:
        return None if self._server is None else self._server.pid

    async def start(self) -> None:
        await super().start()
        arguments = (self.party.address, str(self._port), self.around.provider_url, str(self.around.recordings))
        with self.party.log.open("ab") as log:
            self._server = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "ivr.lab.bench.fast_agi", *arguments),
                env={**os.environ, **self.party.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._server.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            if (await self._server.stdout.readline()).strip() != b"ready":
                raise Unusable(f"({self.letter}): its server did not start: see {self.party.log}")

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None and server.returncode is None:
            server.kill()
            await server.wait()
        await super().stop()

    def _configure(self, around: Surroundings) -> None:
        self._configure_party([])
        self._add_dialplan(handmade.agi_dialplan(self.party.address, self._port))


class ThisApplication(Way):
    """(c)"""

    letter = "c"
    what = "this application, ARI"

    @property
    def application_pid(self) -> int | None:
        return self.party.app_pid

    async def start(self) -> None:
        await super().start()
        await self.party.start_app()

    async def approved(self) -> set[str]:
        return {row["invoice_id"] for row in await self.party.payments() if row["state"] == "approved"}

    def _configure(self, around: Surroundings) -> None:
        settings = {"merchant_phone": MERCHANT_PHONE}
        self._configure_party([{"number": NUMBER, "flow": "pay_invoice", "settings": settings}])


WAYS: Final[tuple[type[Way], ...]] = (Handmade, OverFastAgi, ThisApplication)
