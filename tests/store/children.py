"""Programs that tests start, kill and starve: `python -m tests.store.children write|starve DIRECTORY [URL WORKER]`."""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path

from ivr.domain.errors import Unusable
from ivr.domain.secret import Secret
from ivr.payments.state import EntryKind
from ivr.store.opening import open_store
from ivr.store.shared import Shared
from tests.store.conftest import payment

WRITERS = 10
ROOM = 200_000
"""Bytes that a file may grow beyond the size it has at the start."""


async def write(directory: Path, shared: Shared | None) -> None:
    """Write until killed; every line on stdout is a promise that was given: `entry ID KIND` or `session ID NUMBER`."""

    def promise(*words: object) -> None:
        os.write(1, (" ".join(map(str, words)) + "\n").encode())

    async with open_store(directory, time.time, shared) as store:

        async def call(number: int) -> None:
            turn = 0
            while True:
                turn += 1
                name = f"{os.getpid()}-{number}-{turn}"
                await store.journal.create(payment(name))
                promise("entry", name, "created")
                for kind in (EntryKind.SENT, EntryKind.UNANSWERED, EntryKind.APPROVED):
                    await store.journal.append(name, kind, {"reason": f"turn {turn}"})
                    promise("entry", name, kind.value)
                await store.sessions.keep({f"{os.getpid()}-{number}": str(turn)})
                promise("session", f"{os.getpid()}-{number}", turn)

        await asyncio.gather(*(call(number) for number in range(WRITERS)))


async def starve(directory: Path, _: Shared | None) -> None:
    """Write into a file that may not grow, then let it grow again; says as JSON what was seen."""
    async with open_store(directory, time.time) as store:
        await store.journal.create(payment("first"))
        largest = max(path.stat().st_size for path in directory.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + ROOM, resource.RLIM_INFINITY))
        written, errors = [], []
        for group in range(10_000):
            names = [f"p{group}-{number}" for number in range(5)]
            results = await asyncio.gather(
                *(store.journal.create(payment(name)) for name in names), return_exceptions=True
            )
            written += [name for name, result in zip(names, results, strict=True) if result is True]
            errors += [str(result) for result in results if isinstance(result, Unusable)]
            strange = [repr(result) for result in results if result is not True and not isinstance(result, Unusable)]
            if errors or strange:
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        lost = [name for name in names if name not in written and await store.journal.get(name) is not None]
        again = [await store.journal.create(payment(f"again-{number}")) for number in range(500)]
    print(json.dumps({"written": written, "errors": errors, "strange": strange, "lost": lost, "again": all(again)}))  # noqa: T201


if __name__ == "__main__":
    books = Shared(Secret(sys.argv[3]), sys.argv[4]) if len(sys.argv) > 3 else None
    asyncio.run({"write": write, "starve": starve}[sys.argv[1]](Path(sys.argv[2]), books))
