"""Real workers (`ivr serve`) that serve USSD alone: no Asterisk, books in a file or in a PostgreSQL.

Law: what is started is ended with whoever started it.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any, Final

import yaml

from ivr.domain.errors import Unusable
from ivr.lab.addresses import free_port
from ivr.lab.town import HOUSE, MERCHANT_PHONE
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.files import built
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.settings import DEMO_GATEWAY

HOST: Final = "127.0.0.1"
PROVIDER: Final = "ussd"
PAY: Final = ("6655", "124")
REGISTER: Final = ("6655", "123")
READY_SECONDS: Final = 60.0
"""Until a worker serves, on a machine that has other things to do."""
_SERVICES: Final[Mapping[str, dict[str, Any]]] = {
    "pay_invoice": {
        "code": f"*{'*'.join(PAY)}#",
        "flow": "pay_invoice",
        "settings": {"merchant_phone": MERCHANT_PHONE},
    },
    "register_code": {"code": f"*{'*'.join(REGISTER)}#", "flow": "register_code"},
}


class Worker:
    """One `ivr serve` in `home`. `database`: a PostgreSQL that several share; None: files of its own."""

    def __init__(self, home: Path, name: str, inoti_url: str, database: str | None = None) -> None:
        self.name = name
        self.home = home
        self.config = home / "ivr.yaml"
        self.port = free_port(HOST, 0)
        self.url = f"http://{HOST}:{self.port}"
        self.process: asyncio.subprocess.Process | None = None
        home.mkdir(parents=True, exist_ok=True)
        _write_dialplan(home / "dialplan")
        _write_recordings(home / "recordings")
        self.config.write_text(yaml.safe_dump(self._settings(inoti_url, database)), encoding="utf-8")
        (home / "var").mkdir(exist_ok=True)

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        """Return when it serves. Raises Unusable when it does not."""
        with (self.home / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "ivr", "serve"),
                *("--config", str(self.config)),
                env={**os.environ, **_environment()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while not _listens(self.port):
            if self.process.returncode is not None or loop.time() > deadline:
                raise Unusable(f"worker '{self.name}' does not serve; {self.home / 'log'} says why")
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """Without a word, in the middle of whatever it does."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """Let it end by itself; one that does not is killed."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self.process.wait()
        except TimeoutError:
            await self.kill()

    def _settings(self, inoti_url: str, database: str | None) -> Mapping[str, Any]:
        shared = {} if database is None else {"database": database, "worker": self.name}
        return {
            "asterisk": {"agi": {"listen": f"{HOST}:{free_port(HOST, 0)}"}},
            "trunks": {"public": {"host": HOST, "match": [HOST]}, "bank": {"host": HOST}},
            "providers": {
                "paystar": {
                    "kind": "paystar_saman",
                    "base_url": f"http://{HOST}:9",
                    "sequence": {"env": "LAB_SEQUENCE"},
                },
                PROVIDER: {
                    "kind": "inoti",
                    "base_url": inoti_url,
                    "username": {"env": "LAB_INOTI_USERNAME"},
                    "password": {"env": "LAB_INOTI_PASSWORD"},
                    "code_name": InotiAccount().code_name,
                    "invoice_lifetime": "24h",
                },
            },
            "ussd": {"most_requests": 100_000, "most_a_minute": 100_000},
            "storage": str(self.home / "var"),
            "dialplan": str(self.home / "dialplan"),
            "prompts": str(HOUSE / "prompts"),
            "recordings": str(self.home / "recordings"),
            "web": {"host": HOST, "port": self.port},
            **shared,
        }


def _environment() -> dict[str, str]:
    account = InotiAccount()
    return {
        "LAB_SEQUENCE": DEMO_GATEWAY.sequence.reveal(),
        "LAB_INOTI_USERNAME": account.username.reveal(),
        "LAB_INOTI_PASSWORD": account.password.reveal(),
    }


def _write_dialplan(directory: Path) -> None:
    """The shipped flows that are paid or registered on screens, and their codes."""
    (directory / "flows").mkdir(parents=True, exist_ok=True)
    for service in _SERVICES.values():
        name = f"{service['flow']}.yaml"
        copyfile(HOUSE / "dialplan" / "flows" / name, directory / "flows" / name)
    pay = _SERVICES["pay_invoice"]
    number = {"number": "42473000", "flow": pay["flow"], "settings": pay["settings"]}
    (directory / "numbers.yaml").write_text(yaml.safe_dump({"numbers": [number]}), encoding="utf-8")
    (directory / "ussd.yaml").write_text(yaml.safe_dump({"services": dict(_SERVICES)}), encoding="utf-8")


def _write_recordings(directory: Path) -> None:
    """A file for every prompt, without a sound in it: nobody listens."""
    catalogue = Catalogue.load(HOUSE / "prompts")
    for language in catalogue.languages:
        for name in catalogue.names(language):
            for file in built(directory, language, name).values():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
