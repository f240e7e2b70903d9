"""Where Asterisk finds our FastAGI server, and whether the settings of it can be meant.

Law: a server that listens for everybody must say by which address Asterisk reaches it.
"""

import ipaddress
from typing import Final

from ivr.asterisk.render.text import bind, host, network, number, port
from ivr.asterisk.settings import Agi, AsteriskSettings, Way
from ivr.domain.errors import BadInput

ANY_ADDRESSES: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound


def check_agi(settings: AsteriskSettings) -> None:
    """Raise BadInput for what cannot be served or written."""
    for trunk in settings.trunks:
        if trunk.way is Way.AGI and settings.agi is None:
            raise BadInput(f"trunk {trunk.name}: its calls come by agi, so asterisk needs agi: {{listen: …}}")
        if trunk.way is Way.ARI and not settings.has_ari:
            raise BadInput(f"trunk {trunk.name}: its calls come by ari, so asterisk needs ari: {{password: …}}")
    if settings.agi is None:
        return
    agi_address(settings.agi)
    for one in settings.agi.allow:
        try:
            ipaddress.ip_network(network(one, "agi: allow"), strict=False)
        except ValueError:
            raise BadInput(f"agi: allow must be an address or a network, not {one!r}") from None
    for one in settings.agi.numbers:
        number(one, "agi: numbers")


def agi_address(agi: Agi) -> str:
    """`host:port` as Asterisk sees it."""
    address, listen = bind(agi.listen, "agi: listen")
    if agi.reached_at:
        text, colon, digits = agi.reached_at.rpartition(":")
        if not colon or not (digits.isascii() and digits.isdigit()):
            raise BadInput(f"agi: reached_at must be host:port, not {agi.reached_at!r}")
        return f"{host(text.strip('[]'), 'agi: reached_at')}:{port(int(digits), 'agi: reached_at')}"
    if address in ANY_ADDRESSES:
        raise BadInput("agi: listens on every address, so say by which one Asterisk reaches it: reached_at")
    return f"{host(address, 'agi: listen')}:{listen}"
