"""Everything but the trunks and the dialplan: ARI, HTTP, RTP, the log, and the small files Asterisk asks for.

Law: what we do not use is off (call records, static web pages, the manager unless it is configured), and the log is
told no keyed digit.
"""

import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ivr.asterisk.render.manager import manager_file
from ivr.asterisk.render.places import Directories
from ivr.asterisk.render.text import File, Section, host, path, port, secret, section, user
from ivr.asterisk.settings import AsteriskSettings
from ivr.domain.errors import BadInput

WEBSOCKET_WRITE_TIMEOUT_MS: Final = 5000
"""Asterisk drops our socket when it cannot write for so long; 100 ms, its default, is less than a busy moment."""

HTTP_SESSIONS: Final = 1000
"""Connections at once; 100, Asterisk's default, is one request each of a hundred calls."""

SMALLEST_RTP_RANGE: Final = 2
"""A call's RTP and RTCP ports."""

UNUSED_EVENTS: Final = ("ast_channel_varset_type",)
"""Messages inside Asterisk that nobody here listens to; several of them are made for each call."""


def core_files(settings: AsteriskSettings, directory: Path, directories: Directories | None) -> tuple[File, ...]:
    """All files that neither trunks nor numbers change."""
    options = section("options", verbose=0, debug=0, live_dangerously=False, hideconnect=True, lockconfdir=False)
    asterisk = (options,) if directories is None else (_directories(directory, directories), options)
    return (
        File("asterisk.conf", asterisk),
        File("ari.conf", _ari(settings), secret=True),
        File("http.conf", (_http(settings),)),
        File("rtp.conf", (_rtp(settings),)),
        File(
            "logger.conf",
            (
                section("general", queue_log=False),
                section("logfiles", console="warning,error", messages="notice,warning,error"),
            ),
        ),
        File("indications.conf", _TONES),
        File("stasis.conf", (Section("declined_message_types", tuple(("decline", one) for one in UNUSED_EVENTS)),)),
        File("cdr.conf", (section("general", enable=False),)),
        File("cel.conf", (section("general", enable=False),)),
        manager_file(settings.ami),
        *(File(f"{name}.conf") for name in _EMPTY),
    )


_EMPTY: Final = ("acl", "ccss", "pjproject", "udptl", "websocket_client")
"""Asterisk complains when it does not find them."""

_TONES: Final = (
    section("general", country="ir"),
    section(
        "ir",
        description="Iran",
        ringcadence="1000,4000",
        dial="425",
        busy="425/500,0/500",
        ring="425/1000,0/4000",
        congestion="425/240,0/240",
        callwaiting="425/200,0/200,425/200,0/10000",
        dialrecall="425/100,0/100",
        record="1400/500,0/15000",
        info="950/330,1400/330,1800/330,0/1000",
        stutter="425/100,0/100",
    ),
)


def _directories(directory: Path, directories: Directories) -> Section:
    places = {
        "astetcdir": str(directory.absolute()),
        "astmoddir": directories.modules,
        "astdatadir": directories.data,
        "astvarlibdir": directories.state,
        "astdbdir": directories.state,
        "astkeydir": directories.state,
        "astagidir": directories.state,
        "astspooldir": directories.spool,
        "astrundir": directories.run,
        "astlogdir": directories.log,
    }
    return Section("directories", tuple((key, path(value, key)) for key, value in places.items()))


def _ari(settings: AsteriskSettings) -> tuple[Section, ...]:
    if not settings.has_ari:
        return (section("general", enabled=False),)
    # The password stands plain: hashed, Asterisk spends milliseconds on it at every HTTP request, and the same text
    # stands in our own configuration anyway. The file is its owner's alone.
    account = user(settings.ari.username, "ari.username")
    if account == "general":
        raise BadInput("ari.username must not be general: Asterisk gives that section another meaning")
    return (
        section("general", enabled=True, pretty=False, websocket_write_timeout=WEBSOCKET_WRITE_TIMEOUT_MS),
        section(
            account,
            type="user",
            read_only=False,
            password_format="plain",  # noqa: S106 - the format, not a password
            password=secret(settings.ari.password.reveal(), "ari.password"),
        ),
    )


def _http(settings: AsteriskSettings) -> Section:
    """ARI listens exactly where `ari.url` points, so on loopback unless the settings say otherwise."""
    if not settings.has_ari:
        return section("general", enabled=False)
    try:
        url = urlsplit(settings.ari.url)
        listen = url.port
    except ValueError:
        raise BadInput("ari.url is not a URL") from None
    if url.scheme != "http" or not url.hostname or listen is None or url.path not in ("", "/"):
        raise BadInput("ari.url must be http://address:port")
    address = host(url.hostname, "ari.url").strip("[]")
    if address == "localhost":
        address = str(ipaddress.IPv4Address("127.0.0.1"))
    return section(
        "general",
        enabled=True,
        bindaddr=address,
        bindport=port(listen, "ari.url: port"),
        sessionlimit=HTTP_SESSIONS,
        enable_static=False,
        servername="",
    )


def _rtp(settings: AsteriskSettings) -> Section:
    first, last = port(settings.rtp_first, "rtp_first"), port(settings.rtp_last, "rtp_last")
    if last - first + 1 < SMALLEST_RTP_RANGE:
        raise BadInput("rtp_last must be greater than rtp_first")
    return section("general", rtpstart=first, rtpend=last, strictrtp=True, icesupport=False)
