"""Books that several workers share: where they are, and who we are among them.

Law: a password never stands in the configuration itself.
"""

import re
import socket
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.runtime.configured import NO_CREDENTIAL, Base, read_secret

_SCHEMES: Final = ("postgresql://", "postgres://")
_PASSWORD: Final = re.compile(r"//[^/@]*:[^/@]*@|[?&]password=", re.IGNORECASE)
_WORKER: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Shared:
    """Books in PostgreSQL. `worker` is this process' name among those who write there; each has its own."""

    conninfo: Secret
    worker: str


def read_shared(fields: Fields, base: Base) -> Shared | None:
    """`database: postgresql://user@host/name`, or `database: {env: NAME}` with a password in it; None: no such books.

    `worker` is the machine's name where nobody says otherwise.
    """
    worker = fields.text("worker", socket.gethostname())
    if not fields.has("database"):
        return None
    if not _WORKER.fullmatch(worker):
        fields.blame("'worker' must be 1 to 64 letters, digits, '.', '-' and '_'", "worker")
    if isinstance(fields.value("database"), yaml.ScalarNode):
        address = fields.text("database")
        if _PASSWORD.search(address):
            fields.blame(
                "'database': a password never stands here: write {env: NAME}, or use a .pgpass file", "database"
            )
        conninfo = Secret(address)
    else:
        conninfo = read_secret(fields, "database", base)
        address = conninfo.reveal()
    if address not in ("", NO_CREDENTIAL) and not address.startswith(_SCHEMES):
        fields.blame("'database' must be postgresql://user@host/name", "database")
    return Shared(conninfo, worker)
