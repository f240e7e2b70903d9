"""pjsip.conf: the transports and one endpoint for each trunk.

Law: a caller is somebody we know, by address or by password, or gets 401. There is no anonymous endpoint.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from typing import Final

from ivr.asterisk.render.agents import check_names, sip_sections
from ivr.asterisk.render.modules import codec_module
from ivr.asterisk.render.text import (
    File,
    Section,
    bind,
    host,
    literal,
    name,
    network,
    path,
    port,
    secret,
    section,
    user,
)
from ivr.asterisk.secrecy import TRANSPORTS, tls_faults, trunk_faults
from ivr.asterisk.settings import AsteriskSettings, SipTls, Trunk
from ivr.domain.errors import BadInput

TLS_PORT: Final = 5061
TLS_METHOD: Final = "tlsv1_2"
"""The lowest version; Asterisk's own default still takes 1.0."""

ANY_ADDRESSES: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound


def sip_file(settings: AsteriskSettings) -> File:
    """pjsip.conf. Holds the trunks' passwords, so it is secret."""
    _refuse_doubles(settings)
    check_names(settings)
    return File("pjsip.conf", tuple(_sections(settings)), secret=True)


def context_of(trunk: Trunk) -> str:
    """The dialplan context of the calls that come from this trunk."""
    return f"from-{name(trunk.name, 'a trunk name')}"


def _sections(settings: AsteriskSettings) -> Iterator[Section]:
    yield section(
        "global",
        type="global",
        user_agent="ivr",
        endpoint_identifier_order="ip,auth_username",
        disable_multi_domain=True,  # a trunk is found by its name alone: spares a look-up per request
    )
    address, _ = bind(settings.sip_bind, "sip_bind")
    spoken = settings.transports
    for protocol in ("udp", "tcp"):
        if protocol in spoken:
            where = literal(settings.sip_bind, "sip_bind")
            yield section(f"transport-{protocol}", type="transport", protocol=protocol, bind=where)
    if settings.sip_tls is not None:
        transport = tls_transport(settings, settings.sip_tls)
        if "tls" in spoken:
            if len(spoken) > 1 and address in ANY_ADDRESSES:
                # There Asterisk does not say where a call arrived, and one in clear could not be told from one by TLS.
                raise BadInput(f"trunks with and without tls (or agents) need a sip_bind of one address, not {address}")
            yield transport
    for trunk in settings.trunks:
        for _, fault in trunk_faults(trunk, settings.sip_tls):
            raise BadInput(f"trunk {name(trunk.name, 'a trunk name')}: {fault}")
        yield from _trunk(trunk, address)
    yield from sip_sections(settings, None if address in ANY_ADDRESSES else address)


def tls_transport(settings: AsteriskSettings, tls: SipTls) -> Section:
    """The one transport for TLS: what it says counts for every trunk that speaks it. BadInput as for `sip_file`."""
    for _, fault in tls_faults(tls):
        raise BadInput(f"sip_tls: {fault}")
    address, clear_port = bind(settings.sip_bind, "sip_bind")
    where = literal(tls.bind or f"{host(address, 'sip_bind')}:{TLS_PORT}", "sip_tls: bind")
    own_address, own_port = bind(where, "sip_tls: bind")
    if own_port == clear_port:
        raise BadInput(f"sip_tls: bind needs a port of its own: {clear_port} is sip_bind's")
    if (":" in own_address) != (":" in address):
        raise BadInput("sip_tls: bind and sip_bind must both be IPv4 or both IPv6")
    lines: dict[str, str | bool] = {
        "type": "transport",
        "protocol": "tls",
        "bind": where,
        "method": TLS_METHOD,
        "cert_file": path(tls.certificate, "sip_tls: certificate"),
        "priv_key_file": path(tls.key, "sip_tls: key"),
        "verify_server": tls.verify,
        # To verify a certificate that may be left out is to verify nobody: both or neither.
        "verify_client": tls.require_client_certificate,
        "require_client_cert": tls.require_client_certificate,
    }
    if tls.ca is not None:
        lines["ca_list_file"] = path(tls.ca, "sip_tls: ca")
    return section("transport-tls", **lines)


def _trunk(trunk: Trunk, own_address: str) -> Iterator[Section]:
    label = name(trunk.name, "a trunk name")
    what = f"trunk {label}"
    far = f"sip:{host(trunk.host, f'{what}: host')}:{port(trunk.port, f'{what}: port')}"
    if trunk.transport not in TRANSPORTS:
        raise BadInput(f"{what}: transport must be {' or '.join(TRANSPORTS)}, not {trunk.transport!r}")
    _refuse_other_family(trunk, own_address)
    if trunk.transport != "udp":
        far += f"\\;transport={trunk.transport}"
    if not trunk.codecs:
        raise BadInput(f"{what}: no codec is listed")
    for codec in trunk.codecs:
        codec_module(codec)

    common: dict[str, str | bool] = {
        "type": "endpoint",
        "context": context_of(trunk),
        "transport": f"transport-{trunk.transport}",
        "disallow": "all",
        "allow": ",".join(trunk.codecs),
        "dtmf_mode": "rfc4733",
        "direct_media": False,  # keyed digits must pass through us
        "rtp_symmetric": True,
        "force_rport": True,
        "rewrite_contact": True,
        "allow_subscribe": False,
        "allow_transfer": False,  # a far side may not send our caller elsewhere
        "allow_overlap": False,
        # The number comes from From; a network's P-Asserted-Identity counts only where it is believed.
        "trust_id_inbound": trunk.trust_headers,
        # The number and name that we give travel in From, which they do unless the trunk has its own from_user.
        "trust_id_outbound": False,
        "send_pai": False,
        "send_rpid": False,
        "send_connected_line": False,  # no re-INVITE towards a caller when the bank answers
    }
    if ":" in own_address:
        common["rtp_ipv6"] = True
    if trunk.srtp:
        # Not optimistic: a far side that does without is refused (488), not spoken to in clear.
        common |= {"media_encryption": "sdes", "media_encryption_optimistic": False}
    if own_address not in ANY_ADDRESSES:
        # Bound to an address, RTP needs not look up this machine's own name for each call.
        common |= {"media_address": own_address, "bind_rtp_to_media_address": True}

    has_password = trunk.username is not None or trunk.password is not None
    # With neither an address nor a password to know it by, a trunk is only called, never heard from.
    outbound = dict(common, aors=label, identify_by="ip")
    if has_password:
        outbound["outbound_auth"] = label
        yield _auth(trunk, label)
    by_password = has_password and not trunk.match
    # No OPTIONS probes: a far side that was silent for one would be refused calls until the next.
    yield section(label, type="aor", contact=far, qualify_frequency=0)
    if by_password and trunk.username == label:
        outbound |= {"identify_by": "auth_username", "auth": label}
    elif by_password:
        # Asterisk finds a caller's endpoint by the user name of its credentials, so there is one of that name.
        yield section(str(trunk.username), **dict(common, identify_by="auth_username", auth=label))
    yield section(label, **outbound)
    if trunk.match:
        matches = tuple(("match", network(one, f"{what}: match")) for one in trunk.match)
        yield Section(label, (("type", "identify"), ("endpoint", label), *matches))


def _refuse_other_family(trunk: Trunk, own_address: str) -> None:
    """A transport of one family reaches nobody of the other; Asterisk would say so at the first call only."""
    ours = ipaddress.ip_address(own_address).version
    for what, text in (("host", trunk.host), *(("match", one) for one in trunk.match)):
        try:
            theirs = ipaddress.ip_network(text, strict=False).version
        except ValueError:
            continue  # a name, or refused elsewhere
        if theirs != ours:
            raise BadInput(f"trunk {trunk.name}: {what} {text} is IPv{theirs}, but SIP listens on IPv{ours} (sip_bind)")


def _auth(trunk: Trunk, label: str) -> Section:
    if trunk.username is None or trunk.password is None:
        raise BadInput(f"trunk {label}: a username and a password come together")
    return section(
        label,
        type="auth",
        auth_type="userpass",
        username=user(trunk.username, f"trunk {label}: username"),
        password=secret(trunk.password.reveal(), f"trunk {label}: password"),
    )


def _refuse_doubles(settings: AsteriskSettings) -> None:
    names = Counter(trunk.name for trunk in settings.trunks)
    for trunk in settings.trunks:
        if trunk.username is not None and not trunk.match and trunk.username != trunk.name:
            names[trunk.username] += 1
    double = [one for one, count in names.items() if count > 1]
    if double:
        raise BadInput(f"trunk names and usernames must differ from each other: {', '.join(sorted(double))}")
