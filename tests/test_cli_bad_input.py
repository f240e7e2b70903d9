"""What the operator reads when files or surroundings are wrong: a clear line for each thing, and nothing is touched."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ivr.store.lock import Lock
from ivr.store.opening import JOURNAL_FILE, LOCK_FILE
from tests.deployment import Deployment, ended, fake_recordings

PLACE = re.compile(r"^\S+:[0-9]+:[0-9]+: \S")

BROKEN_FLOW = """flow: broken
first: start
on_failure: start
colour: blue
steps:
  start:
    say: common/no_such_prompt
    next: nowhere
  dial:
    dial: {trunk: no_such_trunk, number: 021, caller_id: "1"}
    exits: {ended: end, busy: end, no_answer: end, rejected: end, unreachable: end}
  end: {hang_up: normal}
"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Deployment:
    """Everything that an admin can do wrong in the dialplan, in two flows and the list of numbers."""
    home = tmp_path_factory.mktemp("broken")
    flows = home / "dialplan" / "flows"
    flows.mkdir(parents=True)
    (flows / "broken.yaml").write_text(BROKEN_FLOW, encoding="utf-8")
    (flows / "syntax.yaml").write_text("flow: syntax\nsteps: {a: [\n", encoding="utf-8")
    (flows.parent / "numbers.yaml").write_text(
        "numbers:\n  - number: 0421\n    flow: broken\n  - number: '5'\n    flow: missing\n", encoding="utf-8"
    )
    return Deployment(home, recordings, {"dialplan": str(flows.parent)}).write()


@pytest.mark.parametrize("command", ["check", "serve"])
def test_every_fault_of_the_dialplan_is_named_with_its_place(broken: Deployment, command: str) -> None:
    """One run names all of them, and nothing has been made or begun."""
    ran = broken.run(command)
    assert ran.status == 1 and ran.out == ""
    lines = ran.complaint.splitlines()
    assert [line for line in lines if not PLACE.match(line)] == []
    for file, line, about in (
        ("flows/broken.yaml", 4, "colour"),
        ("flows/broken.yaml", 7, "no_such_prompt"),
        ("flows/broken.yaml", 8, "nowhere"),
        ("flows/broken.yaml", 10, "no_such_trunk"),
        ("flows/broken.yaml", 10, "quote"),
        ("flows/syntax.yaml", 3, "not YAML"),
        ("numbers.yaml", 2, "quote"),
        ("numbers.yaml", 5, "missing"),
    ):
        assert any(f"{file}:{line}:" in said and about in said for said in lines), (file, line, about, lines)
    assert not broken.storage.exists()


def test_every_fault_of_the_configuration_is_named_with_its_place(tmp_path: Path, recordings: Path) -> None:
    """A credential that is not there, a field nobody knows, an address that is none: all at once, with their lines."""
    changes = {"colour": "blue", "asterisk": {"ari": {"url": "ftp://x", "password": {"env": "TEST_ARI_PASSWORD"}}}}
    deployment = Deployment(tmp_path, recordings, changes, without=("TEST_ARI_PASSWORD",)).write()
    ran = deployment.run("serve")
    lines = ran.complaint.splitlines()
    assert ran.status == 1 and all(PLACE.match(line) for line in lines)
    assert [about for about in ("colour", "http://host:8088", "TEST_ARI_PASSWORD") if about not in ran.complaint] == []
    assert not deployment.storage.exists()


# -- surroundings ------------------------------------------------------------------------------------------------------


def _storage_is_a_file(deployment: Deployment, _: ExitStack) -> str:
    deployment.storage.write_text("in the way")
    return f"{deployment.storage} cannot be made: File exists"


def _storage_below_a_file(deployment: Deployment, _: ExitStack) -> str:
    deployment.home.joinpath("var").write_text("in the way")
    deployment.changes = {**deployment.changes, "storage": str(deployment.home / "var" / "books")}
    return "books cannot be made: Not a directory"


def _storage_is_owned(deployment: Deployment, stack: ExitStack) -> str:
    deployment.storage.mkdir()
    stack.enter_context(Lock(deployment.storage / LOCK_FILE))
    return f"{deployment.storage / LOCK_FILE} is held by process"


def _journal_is_no_database(deployment: Deployment, _: ExitStack) -> str:
    deployment.storage.mkdir()
    (deployment.storage / JOURNAL_FILE).write_text("dear diary, " * 100)
    return "is damaged or no database of ours"


def _journal_is_newer(deployment: Deployment, _: ExitStack) -> str:
    deployment.storage.mkdir()
    with sqlite3.connect(deployment.storage / JOURNAL_FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    return "newer version of this program"


def _journal_is_a_directory(deployment: Deployment, _: ExitStack) -> str:
    (deployment.storage / JOURNAL_FILE).mkdir(parents=True)
    return f"{deployment.storage / JOURNAL_FILE} cannot be opened: Is a directory"


def _web_port_is_taken(deployment: Deployment, stack: ExitStack) -> str:
    taken = stack.enter_context(socket.create_server(("127.0.0.1", deployment.web_port)))
    return f"cannot listen on 127.0.0.1:{taken.getsockname()[1]} (web): Address already in use"


def _web_host_is_not_ours(deployment: Deployment, _: ExitStack) -> str:
    deployment.changes = {**deployment.changes, "web": {"host": "192.0.2.1", "port": deployment.web_port}}
    return "cannot listen on 192.0.2.1"


def _recordings_are_missing(deployment: Deployment, _: ExitStack) -> str:
    deployment.recordings = deployment.home / "nothing"
    return "recordings are missing"


def _configuration_is_missing(deployment: Deployment, stack: ExitStack) -> str:
    stack.callback(lambda: None)
    deployment.home = deployment.home / "elsewhere"
    return f"{deployment.config}:1:1: cannot be read: No such file"


Breaks = Callable[[Deployment, ExitStack], str]
SURROUNDINGS: list[Breaks] = [
    _storage_is_a_file,
    _storage_below_a_file,
    _storage_is_owned,
    _journal_is_no_database,
    _journal_is_newer,
    _journal_is_a_directory,
    _web_port_is_taken,
    _web_host_is_not_ours,
    _recordings_are_missing,
    _configuration_is_missing,
]


@pytest.fixture(scope="module")
def refusals(
    tmp_path_factory: pytest.TempPathFactory, recordings: Path
) -> Iterator[dict[str, tuple[str, "subprocess.Popen[str]"]]]:
    """`ivr serve` in each of these surroundings, all at the same time."""
    started = {}
    with ExitStack() as stack:
        for breaks in SURROUNDINGS:
            deployment = Deployment(tmp_path_factory.mktemp("bad"), recordings)
            said = breaks(deployment, stack)
            if breaks is not _configuration_is_missing:
                deployment.write()
            started[breaks.__name__] = said, deployment.start("serve")
        yield started
        for _, process in started.values():
            process.kill()
            process.wait()


@pytest.mark.parametrize("name", [breaks.__name__ for breaks in SURROUNDINGS])
def test_what_serve_says_of_its_surroundings(
    refusals: dict[str, tuple[str, "subprocess.Popen[str]"]], name: str
) -> None:
    """One line that says what and where; no traceback, no secret, and exit status 1."""
    said, process = refusals[name]
    ran = ended(process)
    assert ran.status == 1 and ran.out == ""
    assert said in ran.complaint and len(ran.complaint.splitlines()) == 1, ran.err


# -- Asterisk is not there ---------------------------------------------------------------------------------------------


def test_serve_waits_for_an_asterisk_that_is_not_up_yet(tmp_path: Path, recordings: Path) -> None:
    """It says so and goes on trying; health says what is missing; told to stop it stops at once, with status 0."""
    deployment = Deployment(tmp_path, recordings).write()
    process = deployment.start("serve")
    try:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        while first["event"] == "flow_set_aside":  # shipped flows for those who have their providers
            first = json.loads(process.stderr.readline())
        assert first["event"] == "ari_not_connected_yet" and str(deployment.ari_port) in first["where"]
        status, health = _get(f"http://127.0.0.1:{deployment.web_port}/healthz")
    finally:
        process.send_signal(signal.SIGTERM)
        ran = ended(process)
    assert status == 503 and health["status"] == "failing"
    assert f"127.0.0.1:{deployment.ari_port}" in health["parts"]["asterisk"]
    assert "paystar does not answer" in health["parts"]["provider paystar"]
    assert health["parts"]["journal"] == "ok"
    assert ran.status == 0 and ran.complaint == ""


def _get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def test_a_level_of_logging_that_does_not_exist(tmp_path: Path, recordings: Path) -> None:
    """The command was misused: status 2, and the levels there are."""
    ran = Deployment(tmp_path, recordings).write().run("serve", "--log-level", "loud")
    assert ran.status == 2 and "warning" in ran.err and "Traceback" not in ran.err
