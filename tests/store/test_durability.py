"""kill -9 and a disk without space: whatever was promised is kept."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path

from ivr.payments.state import EntryKind
from ivr.store.opening import open_reading, open_store

ROUNDS = 5
MOST_PROMISES = 500


def killed_at(directory: Path, promises: int) -> list[list[str]]:
    """Everything that a writer had promised when it was killed, in mid-write, after so many promises."""
    child = subprocess.Popen([sys.executable, "-m", "tests.store.children", "write", str(directory)], stdout=-1)
    assert child.stdout is not None
    with child.stdout as out:
        seen = [out.readline() for _ in range(promises)]
        child.kill()
        seen += out.readlines()
    assert child.wait() == -9
    return [line.decode().split() for line in seen if line.endswith(b"\n")]


async def test_kill_9_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Every acknowledged line is there afterwards, in every round, and the next process starts at once."""
    dice = random.Random(seed)
    promised: set[tuple[str, str]] = set()
    turns: dict[str, int] = {}
    for _ in range(ROUNDS):
        for kind, name, value in killed_at(tmp_path, dice.randrange(1, MOST_PROMISES)):
            if kind == "entry":
                promised.add((name, value))
            else:
                turns[name] = int(value)
        with open_reading(tmp_path) as reading:  # nobody has mended anything yet
            shown = {p["id"]: p for p in reading.list_payments(limit=10**6)}
        written = {(name, entry["kind"]) for name, p in shown.items() for entry in p["entries"]}
        assert promised <= written
        last = {"created": "created", "sent": "sent", "unanswered": "unknown", "approved": "approved"}
        assert all(last[p["entries"][-1]["kind"]] == p["state"] for p in shown.values())
    async with open_store(tmp_path, time.time) as store:
        for name, _ in promised:
            assert await store.journal.get(name) is not None
        kept = await store.sessions.load_all()
        assert {name: turn for name, turn in turns.items() if int(kept.get(name, "0")) < turn} == {}
        for payment in await store.journal.open_payments():
            await store.journal.append(payment.id, EntryKind.APPROVED)


def test_a_file_that_cannot_grow(tmp_path: Path) -> None:
    """Writers are told, nothing is half-written, nothing acknowledged is lost, and it recovers without a restart."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.children", "starve", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["errors"]
    assert all(f"{tmp_path / 'ivr.sqlite'}: " in error for error in told["errors"])
    assert (told["strange"], told["lost"], told["again"]) == ([], [], True)
    with open_reading(tmp_path) as reading:
        shown = {p["id"] for p in reading.list_payments(limit=10**6)}
    again = {f"again-{number}" for number in range(500)}
    assert shown == {"first", *told["written"], *again}
