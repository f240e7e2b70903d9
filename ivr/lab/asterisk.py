"""A running private Asterisk: configured, started, asked, stopped.

Law: an instance never outlives the process that started it, not even after `kill -9`, and an instance that has
complained about its configuration is not handed out.
"""

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ivr.asterisk.render import Away, Directories, render, render_numbers
from ivr.asterisk.settings import AsteriskSettings
from ivr.domain.errors import Unusable
from ivr.lab.installation import Installation, ensure_asterisk

__all__ = ["Installation", "Instance", "ensure_asterisk"]

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01
"""Asterisk tells nobody when its control socket appears, so it is looked for."""

_FAULT: Final = re.compile(r"\] (WARNING|ERROR)\[")


class Instance:
    """One Asterisk with a home directory of its own. `async with` starts and stops it.

    Start it from a thread that lives as long as the instance (the main one): the kernel ends it with that thread.
    """

    def __init__(self, asterisk: Installation, name: str, home: Path) -> None:
        self.name = name
        self.home = home.absolute()
        self.etc = self.home / "etc"
        self.log = self.home / "log" / "messages"
        self.recordings = self.home / "spool" / "recording"
        self.monitor = self.home / "spool" / "monitor"
        self._asterisk = asterisk
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self._process is None or self._process.returncode is not None else self._process.pid

    def configure(
        self,
        settings: AsteriskSettings,
        numbers: Sequence[str] = (),
        *,
        extra_modules: Sequence[str] = (),
        away: Away | None = None,
    ) -> None:
        """Render its configuration into `etc`. Files put there by hand stay; see `ivr.asterisk.render`."""
        # Relative to its working directory: a socket's path is short, a home's may not be.
        places = Directories(
            modules=str(self._asterisk.modules),
            data=str(self._asterisk.data),
            state="state",
            spool=str(self.home / "spool"),  # recordings are looked for from elsewhere
            run="run",
            log="log",
        )
        render(settings, numbers, self.etc, directories=places, extra_modules=extra_modules, away=away)

    def configure_numbers(self, settings: AsteriskSettings, numbers: Sequence[str]) -> None:
        """Write the numbers alone; they count after `dialplan reload`."""
        render_numbers(settings, numbers, self.etc)

    async def start(self) -> None:
        """Start it and wait until it takes calls. Raises Unusable with Asterisk's own words, having stopped it."""
        if self.pid is not None:
            return
        for directory in ("state/keys", "spool/recording", "run", "log"):
            (self.home / directory).mkdir(parents=True, exist_ok=True)
        (self.home / "run" / "asterisk.ctl").unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)  # its faults are those of this run
        if shutil.which("setpriv") is None:
            raise Unusable("setpriv is missing: install util-linux")
        with (self.home / "log" / "console").open("wb") as console:
            self._process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "--", *self._command("-f")),
                cwd=self.home,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for us; we stop it in order
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._booted()
        except TimeoutError:
            await self.stop()
            raise Unusable(f"Asterisk {self.name} was not ready within {START_SECONDS:g} s: see {self.log}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it and everything it started. Never raises for one that is already gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except BaseException as error:  # also when we are cancelled while waiting
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise

    async def rx(self, command: str) -> str:
        """What its command line answers to this command. Raises Unusable when it cannot be asked."""
        asked = await asyncio.create_subprocess_exec(
            *self._command("-rx", command),
            cwd=self.home,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                answer, _ = await asked.communicate()
        except BaseException as error:
            if asked.returncode is None:
                asked.kill()
                await asked.wait()
            if isinstance(error, TimeoutError):
                raise Unusable(f"Asterisk {self.name} gave no answer within {COMMAND_SECONDS:g} s") from None
            raise
        text = answer.decode(errors="replace").replace("\x1b[0m", "").strip()
        if asked.returncode != 0:
            raise Unusable(f"Asterisk {self.name} cannot be asked: {text}")
        return text

    async def reload(self) -> None:
        """Read the configuration again; calls go on."""
        await self.rx("core reload")

    def faults(self) -> list[str]:
        """The warnings and errors in its log since the start."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        return [line for line in lines if _FAULT.search(line)]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _command(self, *arguments: str) -> tuple[str, ...]:
        return (str(self._asterisk.launcher), "-C", str(self.etc / "asterisk.conf"), *arguments)

    async def _booted(self) -> None:
        while not (self.home / "run" / "asterisk.ctl").exists():
            self._refuse_dead()
            await asyncio.sleep(POLL_SECONDS)
        await self.rx("core waitfullybooted")
        self._refuse_dead()
        # Asterisk goes on without what it could not load or bind; a lab would find out much later.
        errors = [line for line in self.faults() if "] ERROR[" in line]
        if errors:
            raise Unusable(f"Asterisk {self.name} did not start cleanly: {errors[0]}")

    def _refuse_dead(self) -> None:
        if self.pid is None:
            said = (self.home / "log" / "console").read_text(encoding="utf-8", errors="replace").replace("\x1b[0m", "")
            lines = self.faults() or [line for line in said.splitlines() if line.strip()] or ["it said nothing"]
            raise Unusable(f"Asterisk {self.name} ended at once: {lines[-1].strip()}")
