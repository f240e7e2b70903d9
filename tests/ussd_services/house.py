"""A merchant's `ivr serve` beside the sandbox, as an operator has it: the shipped configuration and dialplan with their
USSD services, a shop that is told by webhook, and the command line. No telephone is needed, so no Asterisk is there.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeVar

import httpx
import yaml

from ivr.lab.town import HOUSE, MERCHANT_PHONE, SHOP_KEY, SHOP_WEBHOOK_SECRET
from ivr.lab.ussd import USSD_PROVIDER, USSD_SECRET, inoti, know_services, services
from ivr.runtime.merchants import SCOPES
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.pod_books import PodAccount
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY
from tests.browser import PATIENCE
from tests.deployment import fake_recordings
from tests.providers.raw_server import RawServer, says

LOOK_EVERY: Final = 0.05
SERVE: Final = (sys.executable, "-m", "ivr", "serve")
LATER: Final = """
import sys, time
now, ahead = time.time, float(sys.argv.pop(1))
time.time = lambda: now() + ahead
from ivr.cli import cli
cli(["serve", *sys.argv[1:]])
"""
"""`ivr serve` on a machine whose clock is so many seconds ahead."""

T = TypeVar("T")


def eventually(seen: Callable[[], T], what: str) -> T:
    """Wait until this is true; returns it."""
    end = time.monotonic() + PATIENCE
    while not (found := seen()):
        assert time.monotonic() < end, f"not seen: {what}"
        time.sleep(LOOK_EVERY)
    return found


class House:
    """`async with House(home)`: all runs inside. The methods are for tests in another thread than the servers'."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sandbox = SandboxServer()
        self.shop = RawServer(says("", "204 No Content"))
        self.config = home / "config" / "ivr.yaml"
        self.storage = home / "var"
        self.log = home / "serve.log"
        self.web_port, self._agi_port = _free_port(), _free_port()
        account, pod = InotiAccount(), PodAccount()
        self.environment = {
            **os.environ,
            "IVR_LOG_LEVEL": "debug",
            "PAYSTAR_SEQUENCE": DEMO_GATEWAY.sequence.reveal(),
            "POD_TOKEN": pod.token.reveal(),
            "POD_API_KEY": pod.api_key.reveal(),
            "INOTI_USERNAME": account.username.reveal(),
            "INOTI_PASSWORD": account.password.reveal(),
            "USSD_SECRET": USSD_SECRET,
            "SHOP_KEY": SHOP_KEY,
            "SHOP_WEBHOOK_SECRET": SHOP_WEBHOOK_SECRET,
        }
        self._process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.sandbox.start()
        await self.shop.__aenter__()
        know_services(self.sandbox, f"{self.url}/ussd/{USSD_SECRET}")
        self._configure()
        try:
            await asyncio.to_thread(self.start)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)
        await self.shop.__aexit__(kind, error, trace)
        await self.sandbox.stop()

    @property
    def url(self) -> str:
        """Where the application serves HTTP."""
        return f"http://127.0.0.1:{self.web_port}"

    # -- the process ---------------------------------------------------------------------------------------------------

    def start(self, ahead: float = 0.0) -> None:
        """Start `ivr serve`, and return when it answers. `ahead`: seconds that its clock is ahead."""
        command = SERVE if not ahead else (sys.executable, "-c", LATER, str(ahead))
        with self.log.open("ab") as log:
            self._process = self._run(command, log)
        eventually(self._serves, "ivr serve answers")

    def stop(self) -> None:
        """As an operator stops it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`."""
        self._end(signal.SIGKILL)

    def ivr(self, *arguments: str) -> str:
        """What the command prints; it must succeed."""
        command = (sys.executable, "-m", "ivr", *arguments, "--config", str(self.config))
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    # -- what the shop and the operator see ----------------------------------------------------------------------------

    def invoice(self, amount: int = 160_000, order: str = "A-1") -> tuple[str, str]:
        """The shop's program makes an invoice that can be paid by USSD: its id, and the number for the payer."""
        body = {"provider": USSD_PROVIDER, "amount_rial": amount, "order_id": order}
        made = self.api("POST", "/invoices", body)
        return made["id"], made["number"]

    def api(self, method: str, path: str, body: object = None) -> Any:
        """What the merchants' API answers to the shop's program."""
        headers = {"Authorization": f"Bearer {SHOP_KEY}", "Idempotency-Key": os.urandom(8).hex()}
        answer = httpx.request(
            method, f"{self.url}/api{path}", json=body, headers=headers, trust_env=False, timeout=PATIENCE
        )
        assert answer.is_success, answer.text
        return answer.json()

    def told(self, type_: str, **data: object) -> list[dict[str, Any]]:
        """The webhook's events of this type with these values in `data`, each once."""
        events = {json.loads(seen.body)["id"]: json.loads(seen.body) for seen in list(self.shop.seen)}
        return [one for one in events.values() if one["type"] == type_ and data.items() <= one["data"].items()]

    def listed(self, number: str) -> list[dict[str, Any]]:
        """What `ivr payments list` prints of each try to pay an invoice."""
        found: list[dict[str, Any]] = json.loads(self.ivr("payments", "list", "--json", "--limit", "10000"))
        return [each for each in found if each["invoice_id"] == number]

    def payments(self, number: str) -> list[dict[str, Any]]:
        """The same with every line of the journal, as `ivr payments show` prints it."""
        return [json.loads(self.ivr("payments", "show", each["id"], "--json")) for each in self.listed(number)]

    # -- inside --------------------------------------------------------------------------------------------------------

    def _configure(self) -> None:
        shutil.copytree(HOUSE / "dialplan", self.home / "dialplan")
        content = yaml.safe_load((HOUSE / "config" / "ivr.yaml").read_text("utf-8"))
        content["asterisk"] = {"agi": {"listen": f"127.0.0.1:{self._agi_port}"}, "sip_bind": "127.0.0.1:5060"}
        content["providers"]["paystar"]["base_url"] = self.sandbox.paystar_url
        content["providers"] |= {
            USSD_PROVIDER: inoti(self.sandbox.inoti_url),
            "pod": {
                "kind": "pod",
                "base_url": self.sandbox.pod_url,
                "token": {"env": "POD_TOKEN"},
                "api_key": {"env": "POD_API_KEY"},
                "pay_host": self.sandbox.pod_url,
                "read_timeout": f"{PATIENCE:g}s",
                "total_timeout": f"{PATIENCE:g}s",
            },
        }
        content["notices"] = {"sms": {"url": f"{self.sandbox.admin_url}/_sandbox/sms"}}
        content["merchants"] = {
            "shop": {
                "providers": [USSD_PROVIDER],
                "registrations": ["registration"],
                "requests_per_minute": 10_000,
                "keys": {"till": {"secret": {"env": "SHOP_KEY"}, "scopes": list(SCOPES)}},
                "webhook": {"url": self.shop.url, "secret": {"env": "SHOP_WEBHOOK_SECRET"}},
            }
        }
        content |= {
            "ussd": {"secret": {"env": "USSD_SECRET"}},
            "web": {"host": "127.0.0.1", "port": self.web_port},
            "prompts": str(HOUSE / "prompts"),
            "recordings": str(fake_recordings(self.home / "recordings")),
        }
        written = {"services": {name: dict(one) for name, one in services(MERCHANT_PHONE).items()}}
        (self.home / "dialplan" / "ussd.yaml").write_text(yaml.safe_dump(written), "utf-8")
        self.config.parent.mkdir()
        self.config.write_text(yaml.safe_dump(content), "utf-8")

    def _run(self, command: tuple[str, ...], log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = ("setpriv", "--pdeathsig", "KILL", "--", *command, "--config", str(self.config))
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _serves(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log.read_text("utf-8")[-2000:]
        try:
            return bool(httpx.get(f"{self.url}/healthz", trust_env=False).json()["parts"]["journal"] == "ok")
        except httpx.HTTPError:
            return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            process.wait(PATIENCE)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
