"""Which settings of TLS and SRTP contradict each other, or keep less secret than they seem to.

Law: nothing weaker than what is written: what would quietly be in clear, or verify nobody, is a fault.
"""

from collections.abc import Iterator
from typing import Final

from ivr.asterisk.settings import SipTls, Trunk

TRANSPORTS: Final = ("udp", "tcp", "tls")
"""What a trunk may speak over."""

NEEDED: Final = "{certificate: …, key: …, ca: …}"


def trunk_faults(trunk: Trunk, tls: SipTls | None) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of one trunk."""
    if trunk.transport == "tls" and tls is None:
        yield "transport", f"tls needs asterisk.sip_tls: {NEEDED}"
    if trunk.srtp and trunk.transport != "tls" and not trunk.keys_in_clear:
        yield (
            "srtp",
            f"its keys would travel in clear over {trunk.transport}: write transport: tls, "
            "or keys_in_clear: true where the way to the far side is safe by itself",
        )
    if trunk.keys_in_clear and (not trunk.srtp or trunk.transport == "tls"):
        yield "keys_in_clear", "means something only with srtp: true and without transport: tls"


def tls_faults(tls: SipTls) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of the transport's settings."""
    if tls.ca is None and tls.verify:
        yield "ca", "is needed to verify whom we call: a file of the far sides' authority, or verify: false"
    if tls.ca is None and tls.require_client_certificate:
        yield "ca", "is needed to verify who calls us: a file of the far sides' authority"
