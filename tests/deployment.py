"""A deployment in a directory of its own, and the real `ivr` run on it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from ivr.lab.addresses import free_port
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.files import built

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 30.0
"""For one command on a machine that is busy with other tests."""

ARI_PASSWORD: Final = "ari-password-9431"
SEQUENCE: Final = "paystar-sequence-7712"


def fake_recordings(directory: Path) -> Path:
    """A file for every shipped prompt, without a sound in it."""
    catalogue = Catalogue.load(ROOT / "prompts")
    for language in catalogue.languages:
        for name in catalogue.names(language):
            for file in built(directory, language, name).values():
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
    return directory


@dataclass
class Deployment:
    """The shipped dialplan, ports of its own; nothing is written before `write`."""

    home: Path
    recordings: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Top-level parts of the configuration that are other than usual."""
    without: tuple[str, ...] = ()
    """Environment variables that are not there."""

    def __post_init__(self) -> None:
        self.web_port = free_port("127.0.0.1", 0)
        self.ari_port = free_port("127.0.0.1", 0)

    @property
    def config(self) -> Path:
        return self.home / "config" / "ivr.yaml"

    @property
    def storage(self) -> Path:
        return self.home / "var"

    def write(self) -> "Deployment":
        """Its configuration."""
        content: dict[str, Any] = {
            "asterisk": {
                "ari": {"url": f"http://127.0.0.1:{self.ari_port}", "password": {"env": "TEST_ARI_PASSWORD"}},
                "sounds": str(self.recordings),
            },
            "trunks": {
                "public": {"host": "127.0.0.1", "match": ["127.0.0.1"]},
                "bank": {"host": "127.0.0.2"},
                "paystar": {"host": "127.0.0.3"},
                "merchant": {"host": "127.0.0.4", "match": ["127.0.0.4"], "trust_headers": True},
            },
            "queues": {"sales": {"agents": []}},
            "providers": {
                "paystar": {
                    "kind": "paystar_saman",
                    "base_url": "http://127.0.0.1:9",
                    "sequence": {"env": "TEST_SEQUENCE"},
                }
            },
            "storage": str(self.storage),
            "dialplan": str(ROOT / "dialplan"),
            "prompts": str(ROOT / "prompts"),
            "recordings": str(self.recordings),
            "web": {"host": "127.0.0.1", "port": self.web_port},
            **self.changes,
        }
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return self

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """`ivr` with these arguments, its output in pipes."""
        credentials = {"TEST_ARI_PASSWORD": ARI_PASSWORD, "TEST_SEQUENCE": SEQUENCE}
        given = {name: value for name, value in credentials.items() if name not in self.without}
        return subprocess.Popen(
            [sys.executable, "-m", "ivr", *arguments, "--config", str(self.config)],
            env={**os.environ, "COLUMNS": "200", **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> "Ran":
        """The same, to its end."""
        return ended(self.start(*arguments))


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Stderr without its log lines."""
        return "\n".join(line for line in self.err.splitlines() if not line.startswith("{"))


def ended(process: "subprocess.Popen[str]") -> Ran:
    """Wait for its end; one that does not end is killed, and the test fails. No secret of ours is ever said."""
    with process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    for secret in (ARI_PASSWORD, SEQUENCE):
        assert secret not in out + err
    return Ran(process.returncode, out, err)
