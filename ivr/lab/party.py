"""One party of a chain: its own Asterisk and, but for the phone, its own `ivr serve` with its own books.

Law: a party is set up the way an operator would do it, with a configuration file, a dialplan directory, and the
commands `ivr serve` and `ivr payments`; nothing of the application is reached past these.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from ivr.config import Settings, load_settings
from ivr.domain.errors import Unusable
from ivr.domain.reading import Faults
from ivr.lab.addresses import free_port, sip_port
from ivr.lab.asterisk import Installation, Instance
from ivr.lab.sip_trace import SipMessage, invites
from ivr.loading import load_world

SERVE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05

RTP_PORTS: Final = (20000, 24000)
"""Every party has an address of its own, so all use the same ports."""


class Party:
    """A name, an address, an Asterisk, and the application on it."""

    def __init__(self, name: str, address: str, home: Path, asterisk: Installation) -> None:
        self.name = name
        self.address = address
        self.home = home
        self.sip_port = sip_port(address)
        self.sip_tls_port = free_port(address, 5061)
        self.ari_port = free_port(address, 8088)
        self.web_port = free_port(address, 8080)
        self.agi_port = free_port(address, 4573)
        self.ami_port = free_port(address, 5038)
        self.config = home / "config" / "ivr.yaml"
        self.log = home / "serve.log"
        self.password = secrets.token_urlsafe(24)
        self.environment: dict[str, str] = {"IVR_ARI_PASSWORD": self.password}
        self.instance = Instance(asterisk, name, home / "asterisk")
        self._serve: asyncio.subprocess.Process | None = None
        self._captures: list[Path] = []

    @property
    def web_url(self) -> str:
        """Where its health and metrics are."""
        return f"http://{self.address}:{self.web_port}"

    @property
    def app_pid(self) -> int | None:
        """The process id of its `ivr serve` while it runs."""
        return None if self._serve is None or self._serve.returncode is not None else self._serve.pid

    @property
    def storage(self) -> Path:
        """Where its books are."""
        return self.home / "var"

    def trunk_to(self, other: "Party", **more: object) -> dict[str, object]:
        """A trunk to and from another party, as configuration."""
        port = other.sip_tls_port if more.get("transport") == "tls" else other.sip_port
        return {"host": other.address, "port": port, "match": [other.address], **more}

    def configure(
        self,
        *,
        trunks: Mapping[str, Mapping[str, object]],
        recordings: Path,
        prompts: Path,
        providers: Mapping[str, Mapping[str, object]] | None = None,
        dialplan: Path | None = None,
        numbers: Sequence[Mapping[str, object]] = (),
        hours: Mapping[str, object] | None = None,
        services: Mapping[str, Mapping[str, object]] | None = None,
        more: Mapping[str, object] | None = None,
        asterisk: Mapping[str, object] | None = None,
        modules: Sequence[str] = (),
        agi_numbers: Sequence[str] = (),
        sip_tls: Mapping[str, object] | None = None,
        all_flows: bool = False,
    ) -> Settings:
        """Write its configuration, numbers and USSD services, and render its Asterisk's.

        It has the flows that its numbers and services need, with `all_flows` also those of `dialplan` that fit its
        trunks, providers and queues. `agi_numbers` come by AGI(); `sip_tls` is what `asterisk.sip_tls` says, but for
        where it listens.
        """
        self.config.parent.mkdir(parents=True, exist_ok=True)
        directory = self.home / "dialplan"
        (directory / "flows").mkdir(parents=True, exist_ok=True)
        services = dict(services or {})
        needed = {flow for number in (*numbers, *services.values()) for flow in _flows(number)}
        if dialplan is not None:
            for flow, text in _with_called(dialplan, _all(dialplan) if all_flows else needed).items():
                (directory / "flows" / f"{flow}.yaml").write_text(text, encoding="utf-8")
        _write(
            directory / "numbers.yaml", {"hours": dict(hours or {}), "numbers": [dict(number) for number in numbers]}
        )
        if services:
            _write(directory / "ussd.yaml", {"services": {name: dict(one) for name, one in services.items()}})
        content = {
            "asterisk": {
                "ari": {
                    "url": f"http://{self.address}:{self.ari_port}",
                    "username": "ivr",
                    "password": {"env": "IVR_ARI_PASSWORD"},
                },
                "sounds": str(recordings),
                "sip_bind": f"{self.address}:{self.sip_port}",
                **(asterisk or {}),
                "rtp": {"first": RTP_PORTS[0], "last": RTP_PORTS[1]},
                **({"sip_tls": {"bind": f"{self.address}:{self.sip_tls_port}", **sip_tls}} if sip_tls else {}),
                **({"agi": self._agi(agi_numbers)} if agi_numbers else {}),
            },
            "trunks": {name: dict(trunk) for name, trunk in trunks.items()},
            "providers": {name: dict(provider) for name, provider in (providers or {}).items()},
            "storage": "../var",
            "dialplan": "../dialplan",
            "prompts": str(prompts),
            "recordings": str(recordings),
            "web": {"host": self.address, "port": self.web_port},
            **(more or {}),
        }
        _write(self.config, content)
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            settings = load_settings(self.config, sip_files=True)
        finally:
            os.environ.clear()
            os.environ.update(before)
        if all_flows:
            _drop_unfit(settings, needed)
        self.instance.configure(settings.asterisk, [str(number["number"]) for number in numbers], extra_modules=modules)
        return settings

    def _agi(self, numbers: Sequence[str]) -> dict[str, object]:
        listen = f"{self.address}:{self.agi_port}"
        return {"listen": listen, "allow": [self.address, "127.0.0.1"], "numbers": list(numbers)}

    async def start_asterisk(self) -> None:
        """Start its Asterisk and capture its SIP."""
        await self.instance.start()
        for command in ("verbose off", "on"):
            await self.instance.rx(f"pjsip set logger {command}")
        await self._next_capture()

    async def start_app(self) -> None:
        """Start `ivr serve` and return when it takes calls. Raises Unusable with its last words."""
        with self.log.open("ab") as log:
            self._serve = await asyncio.create_subprocess_exec(
                "setpriv",
                "--pdeathsig",
                "KILL",
                "--",
                *self._command("serve"),
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(SERVE_SECONDS), httpx.AsyncClient(trust_env=False) as client:
                while not await self._serving(client):
                    if self._serve.returncode is not None:
                        raise Unusable(f"{self.name}: ivr serve ended: {self._last_words()}")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise Unusable(f"{self.name}: ivr serve was not ready within {SERVE_SECONDS:g} s: see {self.log}") from None

    async def kill_app(self) -> None:
        """`kill -9`, as an operator's bad day would."""
        if self._serve is not None and self._serve.returncode is None:
            self._serve.kill()
            await self._serve.wait()

    async def stop_app(self) -> None:
        """Tell it to stop, and make sure of it."""
        process, self._serve = self._serve, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()

    async def stop(self) -> None:
        """Stop everything of it."""
        await self.stop_app()
        await self.instance.stop()

    async def command(self, *arguments: str) -> str:
        """What `ivr` prints for this party. Raises Unusable with its complaint when it fails."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*arguments),
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaint = await process.communicate()
        if process.returncode != 0:
            raise Unusable(complaint.decode().strip() or f"ivr ended with status {process.returncode}")
        return out.decode()

    async def payments(self) -> list[dict[str, Any]]:
        """Its journal, as `ivr payments list --json` prints it."""
        rows: list[dict[str, Any]] = json.loads(await self.command("payments", "list", "--json", "--limit", "10000"))
        return rows

    async def invites(self) -> list[SipMessage]:
        """The INVITEs of new calls that its Asterisk sent or received since its start."""
        await self._next_capture()
        return [invite for capture in self._captures[:-1] for invite in invites(capture)]

    async def _next_capture(self) -> None:
        """Asterisk writes a capture out when it begins another one."""
        self._captures.append(self.instance.home / f"sip{len(self._captures)}.pcap")
        await self.instance.rx(f"pjsip set logger pcap {self._captures[-1]}")

    def _command(self, name: str, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "ivr", name, *arguments, "--config", str(self.config))

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    async def _serving(self, client: httpx.AsyncClient) -> bool:
        try:
            answer = await client.get(f"{self.web_url}/healthz")
        except httpx.HTTPError:
            return False
        return bool(answer.json()["parts"]["asterisk"] == "ok")

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"


def _flows(number: Mapping[str, object]) -> list[str]:
    """Its own, and those that its callers get when it cannot serve them."""
    ways = [number, *(way for way in map(number.get, ("closed", "full", "afterwards")) if isinstance(way, Mapping))]
    return [str(way["flow"]) for way in ways]


def _all(dialplan: Path) -> set[str]:
    return {file.stem for file in (dialplan / "flows").glob("*.yaml")}


def _drop_unfit(settings: Settings, needed: Collection[str]) -> None:
    """Remove flows that are not needed until the rest has no fault. Raises Faults where what is needed has one."""
    flows = settings.dialplan / "flows"
    while True:
        try:
            load_world(settings)
        except Faults as exc:
            unfit = {Path(fault.file) for fault in exc.faults}
            unfit = {file for file in unfit if file.parent == flows and file.stem not in needed}
            if not unfit:
                raise
            for file in unfit:
                file.unlink()
        else:
            return


def _with_called(dialplan: Path, flows: Collection[str]) -> dict[str, str]:
    """The texts of these flows and of those that they call, by name."""
    found: dict[str, str] = {}
    wanted = list(flows)
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = (dialplan / "flows" / f"{name}.yaml").read_text(encoding="utf-8")
            wanted += [
                str(step["call"]["flow"]) for step in yaml.safe_load(found[name])["steps"].values() if "call" in step
            ]
    return found


def _write(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
