"""A private PostgreSQL for tests and the benchmark: a server of its own in a directory of its own, on a Unix socket.

Law: it ends with whoever started it, and is as careful with the disk as a real one.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ivr.domain.errors import Unusable

PATIENCE: Final = 30.0
"""Seconds until it answers."""
USER: Final = "ivr"
_WHERE: Final = Path("/usr/lib/postgresql")


class Server:
    """A running server. `kill` is a power cut for it, `start` begins it anew on the same data."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs = programs
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0

    @property
    def url(self) -> str:
        """Its one database."""
        return f"postgresql://{USER}@/postgres?host={self._directory}"

    def new_books(self) -> str:
        """The address of books that nobody has written in yet: a schema of their own."""
        self._schemas += 1
        name = f"books_{self._schemas}"
        self.sql(f"CREATE SCHEMA {name}")
        return f"{self.url}&options=-csearch_path%3D{name}"

    def sql(self, statement: str, url: str | None = None) -> str:
        """What `psql` says to a statement, as plain lines."""
        done = subprocess.run(
            [self._programs / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, url or self.url],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unusable(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def start(self) -> None:
        """Return when it answers. Raises Unusable."""
        command = [str(self._programs / "postgres"), "-D", str(self._directory / "data"), "-k", str(self._directory)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen([*_as_nobody(), *command, "-h", ""], stdout=log, stderr=log, cwd="/")
        began = time.monotonic()
        while True:
            try:
                self.sql("SELECT 1")
                return
            except Unusable as exc:
                if self._process.poll() is not None or time.monotonic() - began > PATIENCE:
                    raise Unusable(f"PostgreSQL did not start; {self._directory / 'log'} says why") from exc
                time.sleep(0.05)

    def kill(self) -> None:
        """Without a word, all of it, in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            subprocess.run(["pkill", "-KILL", "-f", f"{self._directory}"], check=False)  # its children
            (self._directory / "data" / "postmaster.pid").unlink(missing_ok=True)
            self._process = None

    def stop(self) -> None:
        """Let it end; connections are broken off."""
        if self._process is not None:
            self._process.send_signal(2)  # SIGINT: fast shutdown
            self._process.wait()
            self._process = None


@contextmanager
def running() -> Iterator[Server]:
    """A new server. Raises Unusable when PostgreSQL is not installed."""
    programs = find_programs()
    directory = Path(tempfile.mkdtemp(prefix="ivr-postgres-"))  # short, for the socket's name; others may pass through
    server = Server(programs, directory)
    try:
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(directory, account.pw_uid, account.pw_gid)
        directory.chmod(0o755)
        subprocess.run(
            [*_as_nobody(), programs / "initdb", "-D", directory / "data", "-U", USER, "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-instructions"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )  # fmt: skip
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def find_programs() -> Path:
    """Where Debian puts the newest version's programs. Raises Unusable."""
    found = sorted(_WHERE.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise Unusable("PostgreSQL's server is not installed: apt-get install postgresql")
    return found[-1].parent


def _as_nobody() -> list[str]:
    """It refuses to run as root; and it ends with us."""
    die = ["setpriv", "--pdeathsig", "KILL"]
    return [*die, "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else die
