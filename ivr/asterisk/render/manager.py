"""manager.conf: AMI is off, or open to one account of ours.

Law: nobody but whom the settings name may connect, the account can do no more than our actions need, and only the
events that we read leave Asterisk. Above all no DTMFBegin and DTMFEnd: they print keyed digits.
"""

import ipaddress
from typing import Final

from ivr.asterisk.ami.events import EVENTS
from ivr.asterisk.render.text import File, Section, host, network, port, secret, section, user
from ivr.asterisk.settings import LOOPBACK, AmiSettings
from ivr.domain.errors import BadInput

LOGIN_SECONDS: Final = 5
"""In which a connection must have logged in."""
MOST_STRANGERS: Final = 10
"""Connections at once that have not logged in yet."""
WRITE_TIMEOUT_MS: Final = 5000
"""Asterisk drops our connection when it cannot write for so long; 100 ms, its default, is less than a busy moment."""

READ: Final = "system,call,agent,user"
"""Classes of the events that we read: system is FullyBooted."""
WRITE: Final = "call,agent,user,reporting"
"""Classes of our actions. Neither originate nor command, system or config: no programs, no files, no new calls."""

_FORGED: Final = "[[:cntrl:]]{4}[^[:cntrl:]]"
"""An empty line inside an event: a caller's number with line breaks has written a second event into it."""


def manager_file(ami: AmiSettings | None) -> File:
    """The whole file. Raises BadInput for what cannot be written, or would be open to strangers."""
    if ami is None:
        return File("manager.conf", (section("general", enabled=False),))
    account = user(ami.username, "ami.username")
    if account == "general":
        raise BadInput("ami.username must not be general: Asterisk gives that section another meaning")
    general = section(
        "general",
        enabled=True,
        webenabled=False,
        bindaddr=_listen(ami),
        port=port(ami.port, "ami.port"),
        authtimeout=LOGIN_SECONDS,
        authlimit=MOST_STRANGERS,
        displayconnects=False,
        timestampevents=False,
        allowmultiplelogin=True,  # ours comes back before Asterisk has noticed that it was gone
    )
    allowed = [("permit", network(one, "ami.allow")) for one in ami.allow]
    return File(
        "manager.conf",
        (
            general,
            Section(
                account,
                (
                    ("secret", secret(ami.secret.reveal(), "ami.password")),
                    ("deny", "0.0.0.0/0.0.0.0"),
                    ("deny", "::/0"),
                    *allowed,
                    ("read", READ),
                    ("write", WRITE),
                    ("writetimeout", str(WRITE_TIMEOUT_MS)),
                    ("displayconnects", "no"),
                    *((f"eventfilter(action(include),name({event}))", "") for event in EVENTS),
                    ("eventfilter(action(exclude),method(regex))", _FORGED),
                ),
            ),
        ),
        secret=True,
    )


def _listen(ami: AmiSettings) -> str:
    address = host(ami.host, "ami.host").strip("[]")
    if address == "localhost":
        return str(ipaddress.IPv4Address("127.0.0.1"))
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback and ami.allow == LOOPBACK:
        raise BadInput("ami.host is not on loopback: name under ami.allow who may connect")
    return address
