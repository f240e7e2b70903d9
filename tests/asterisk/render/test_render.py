"""What `ivr render` writes, and what it refuses to write."""

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ivr.asterisk.render import Away, Directories, render, render_numbers
from ivr.asterisk.settings import Agent, Agi, Ari, AsteriskSettings, SipTls, Trunk, Way
from ivr.domain.errors import BadInput, Unusable
from ivr.domain.secret import Secret

BANK = Trunk("bank", "192.0.2.7")
TLS = SipTls("/etc/ssl/ivr.pem", "/etc/ssl/ivr.key", "/etc/ssl/telco.pem")
OPERATOR = Trunk("operator", "192.0.2.8", match=("192.0.2.8", "198.51.100.0/24"))
SETTINGS = AsteriskSettings(
    Ari("http://127.0.0.1:8088", "ivr", Secret("secret")),
    "/srv/prompts",
    sip_bind="192.0.2.1:5060",
    trunks=(BANK, OPERATOR),
)


def blocks(path: Path) -> list[tuple[str, dict[str, str]]]:
    """A file's sections in order; of a key that comes several times, the last."""
    found: list[tuple[str, dict[str, str]]] = []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            found.append((line[1:-1], {}))
        elif line and not line.startswith(";"):
            key, _, value = line.partition(" = ")
            found[-1][1][key] = value
    return found


def _lines(path: Path) -> list[tuple[str, str]]:
    """Every `key = value` in order."""
    found = (line.partition(" = ") for line in path.read_text().splitlines())
    return [(key, value) for key, equals, value in found if equals]


def one(path: Path, name: str, kind: str) -> dict[str, str]:
    """The section of this name and type."""
    (found,) = [lines for label, lines in blocks(path) if label == name and lines.get("type") == kind]
    return found


def test_a_trunk_known_by_address_is_one_endpoint(tmp_path: Path) -> None:
    """Calls from its addresses are its calls; nobody else's are."""
    render(SETTINGS, ["42473000"], tmp_path)
    sip = tmp_path / "pjsip.conf"
    endpoint = one(sip, "operator", "endpoint")
    assert endpoint["context"] == "from-operator"
    assert endpoint["allow"] == "alaw,ulaw" and endpoint["disallow"] == "all"
    assert endpoint["dtmf_mode"] == "rfc4733" and endpoint["direct_media"] == "no"
    assert endpoint["identify_by"] == "ip" and "auth" not in endpoint
    assert endpoint["media_address"] == "192.0.2.1"  # or Asterisk looks up its own name for each call
    assert "match = 192.0.2.8\nmatch = 198.51.100.0/24\n" in sip.read_text()
    assert one(sip, "operator", "aor")["contact"] == "sip:192.0.2.8:5060"
    assert "anonymous" not in sip.read_text()


def test_a_trunk_known_by_password_has_an_endpoint_of_its_user_name(tmp_path: Path) -> None:
    """Asterisk finds it by the user name of its credentials, and its calls still come in under the trunk's name."""
    trunk = Trunk("seller", "192.0.2.9", username="u-77", password=Secret("a;b"))
    render(replace(SETTINGS, trunks=(trunk,)), [], tmp_path)
    sip = tmp_path / "pjsip.conf"
    assert one(sip, "seller", "auth")["password"] == r"a\;b"
    inbound, outbound = one(sip, "u-77", "endpoint"), one(sip, "seller", "endpoint")
    assert inbound["identify_by"] == "auth_username" and inbound["auth"] == "seller"
    assert inbound["context"] == "from-seller"
    assert outbound["outbound_auth"] == "seller" and "auth" not in outbound

    same = replace(trunk, username="seller")
    render(replace(SETTINGS, trunks=(same,)), [], tmp_path)
    assert one(sip, "seller", "endpoint")["auth"] == "seller"


def test_a_trunk_by_tls_and_srtp(tmp_path: Path) -> None:
    """Its far side is verified, and sound in clear is no choice."""
    secret = replace(OPERATOR, transport="tls", srtp=True, port=5061)
    render(replace(SETTINGS, trunks=(BANK, secret), sip_tls=TLS), ["4247"], tmp_path)
    sip = tmp_path / "pjsip.conf"
    assert one(sip, "transport-tls", "transport") == {
        "type": "transport",
        "protocol": "tls",
        "bind": "192.0.2.1:5061",
        "method": "tlsv1_2",
        "cert_file": "/etc/ssl/ivr.pem",
        "priv_key_file": "/etc/ssl/ivr.key",
        "verify_server": "yes",
        "verify_client": "no",
        "require_client_cert": "no",
        "ca_list_file": "/etc/ssl/telco.pem",
    }
    endpoint = one(sip, "operator", "endpoint")
    assert endpoint["transport"] == "transport-tls"
    assert endpoint["media_encryption"] == "sdes" and endpoint["media_encryption_optimistic"] == "no"
    assert one(sip, "operator", "aor")["contact"] == r"sip:192.0.2.8:5061\;transport=tls"
    assert "media_encryption" not in one(sip, "bank", "endpoint")
    assert "load = res_srtp.so" in (tmp_path / "modules.conf").read_text()
    dialplan = (tmp_path / "extensions.conf").read_text()
    refusal = 'exten = 4247,1,GotoIf($["${CHANNEL(pjsip,local_addr)}" = "192.0.2.1:5060"]?clear)'
    assert f"{refusal}\nsame = n(enter),Stasis(ivr,operator" in dialplan
    assert dialplan.count("same = n(clear),Hangup(21)") == 1


def test_mutual_tls_and_none(tmp_path: Path) -> None:
    """Who calls can be asked for a certificate; whom we call goes unverified only by saying so."""
    trunks = (replace(BANK, transport="tls"),)
    mutual = replace(TLS, require_client_certificate=True, bind="192.0.2.2:5062")
    render(replace(SETTINGS, trunks=trunks, sip_tls=mutual), ["4247"], tmp_path)
    transport = one(tmp_path / "pjsip.conf", "transport-tls", "transport")
    assert transport["verify_client"] == transport["require_client_cert"] == "yes"
    assert transport["bind"] == "192.0.2.2:5062"
    render(replace(SETTINGS, trunks=trunks, sip_tls=replace(TLS, ca=None, verify=False)), ["4247"], tmp_path)
    transport = one(tmp_path / "pjsip.conf", "transport-tls", "transport")
    assert transport["verify_server"] == "no" and "ca_list_file" not in transport


def test_what_no_trunk_speaks_is_not_listened_to(tmp_path: Path) -> None:
    """Where all trunks speak TLS, nobody can try in clear; where none does, there is no such port."""
    render(replace(SETTINGS, trunks=(replace(BANK, transport="tls"),), sip_tls=TLS), ["4247"], tmp_path)
    assert [name for name, _ in blocks(tmp_path / "pjsip.conf") if name.startswith("transport")] == ["transport-tls"]
    assert 'GotoIf($["' not in (tmp_path / "extensions.conf").read_text()
    render(replace(SETTINGS, sip_tls=TLS), ["4247"], tmp_path)
    assert [name for name, _ in blocks(tmp_path / "pjsip.conf") if name.startswith("transport")] == ["transport-udp"]
    assert "res_srtp" not in (tmp_path / "modules.conf").read_text()


def test_phones_of_agents_keep_their_transport(tmp_path: Path) -> None:
    """They speak UDP, so a call to a trunk by TLS is told from one in clear."""
    agents = (Agent("sara", Secret("x")),)
    trunks = (replace(OPERATOR, transport="tls", trust_headers=True),)
    render(replace(SETTINGS, trunks=trunks, agents=agents, sip_tls=TLS), ["4247"], tmp_path)
    names = [name for name, _ in blocks(tmp_path / "pjsip.conf") if name.startswith("transport")]
    assert names == ["transport-udp", "transport-tls"]
    dialplan = (tmp_path / "extensions.conf").read_text()
    operator = dialplan[dialplan.index("[from-operator]") :].partition("\n[")[0]
    assert (
        operator.count("?clear)\nsame = n(enter),Stasis(") == operator.count("exten = ") == 2
    )  # with a value behind it
    assert operator.count("Goto(enter)") == operator.count("n(clear),Hangup(21)") == 2


def test_ipv6(tmp_path: Path) -> None:
    """Addresses in brackets where SIP wants them, and sound over IPv6 too."""
    trunk = Trunk("six", "2001:db8::8", match=("2001:db8::/64",), transport="tls")
    render(replace(SETTINGS, sip_bind="[2001:db8::1]:5060", trunks=(trunk,), sip_tls=TLS), ["4247"], tmp_path)
    sip = tmp_path / "pjsip.conf"
    assert one(sip, "transport-tls", "transport")["bind"] == "[2001:db8::1]:5061"
    endpoint = one(sip, "six", "endpoint")
    assert endpoint["rtp_ipv6"] == "yes" and endpoint["media_address"] == "2001:db8::1"
    assert one(sip, "six", "aor")["contact"].startswith("sip:[2001:db8::8]:5060")


def test_only_our_numbers_have_an_extension_and_nothing_dials(tmp_path: Path) -> None:
    """A stranger's number is answered 404; no call can leave by the dialplan."""
    render(SETTINGS, ["42473000", "+982191071390", "42473000"], tmp_path, away=Away(tries=3, pause_seconds=2))
    dialplan = (tmp_path / "extensions.conf").read_text()
    assert dialplan.count("exten = 42473000,1,Stasis(ivr,operator,") == 1
    assert dialplan.count("exten = +982191071390,1,Stasis(ivr,bank,") == 1
    assert dialplan.count("exten = ") == 4
    assert "Stasis(ivr,bank,${CALLERID(pres)})" in dialplan  # a withheld number is told from a given one
    assert "Wait(2)" in dialplan and "> 3]?sorry" in dialplan
    assert "Playback(/srv/prompts/fa/common/sorry_try_later)" in dialplan
    assert "Dial(" not in dialplan
    assert "exten = _" not in dialplan  # no pattern that nobody wrote


def test_a_pattern_becomes_asterisk_s_own(tmp_path: Path) -> None:
    """As many places as the admin wrote, and no more: `.` and `!` never come into the file."""
    render(SETTINGS, ["4247XXXX", "0ZN", "42473000"], tmp_path)
    extensions = [value.partition(",")[0] for key, value in _lines(tmp_path / "extensions.conf") if key == "exten"]
    assert extensions == ["_4247XXXX", "_0ZN", "42473000"] * 2
    for evil in ("_4247XXXX", "4247.", "4247!", "[1-9]XX", "x", "X" * 16):
        with pytest.raises(BadInput):
            render(SETTINGS, [evil], tmp_path)


def test_calls_by_agi(tmp_path: Path) -> None:
    """A trunk's calls, or a number's on every trunk, are handed to our server; the fallback is the same."""
    agi = Agi("127.0.0.1:4573", numbers=("4247",))
    trunks = (BANK, replace(OPERATOR, way=Way.AGI))
    render(replace(SETTINGS, trunks=trunks, agi=agi), ["4247", "+98219"], tmp_path)
    dialplan = (tmp_path / "extensions.conf").read_text()
    assert "exten = 4247,1,AGI(agi://127.0.0.1:4573/bank/${EXTEN})\nsame = n(again)," in dialplan
    assert "exten = +98219,1,Stasis(ivr,bank," in dialplan
    assert "exten = +98219,1,AGI(agi://127.0.0.1:4573/operator/${EXTEN})" in dialplan
    assert dialplan.count("Playback(/srv/prompts/fa/common/sorry_try_later)") == 4
    assert "[ivr-leg]" in dialplan and "Dial(" not in dialplan
    modules = (tmp_path / "modules.conf").read_text()
    assert all(f"{one}.so" in modules for one in ("res_agi", "app_dial", "app_stack", "func_dialplan"))


def test_without_ari(tmp_path: Path) -> None:
    """An Asterisk that offers AGI alone has no ARI, and no port for it."""
    trunks = (replace(BANK, way=Way.AGI),)
    render(replace(SETTINGS, trunks=trunks, agi=Agi(), has_ari=False), ["4247"], tmp_path)
    assert blocks(tmp_path / "ari.conf") == [("general", {"enabled": "no"})]
    assert blocks(tmp_path / "http.conf") == [("general", {"enabled": "no"})]
    assert "Stasis(" not in (tmp_path / "extensions.conf").read_text()


@pytest.mark.parametrize(
    ("agi", "url"),
    [
        (Agi("[::1]:4573"), "agi://[::1]:4573/"),
        (Agi("0.0.0.0:4573", "ivr.internal:4573"), "agi://ivr.internal:4573/"),
        (Agi("127.0.0.1:1", "[fd00::1]:2"), "agi://[fd00::1]:2/"),
    ],
)
def test_where_agi_is_reached(agi: Agi, url: str, tmp_path: Path) -> None:
    """As Asterisk sees it."""
    render(replace(SETTINGS, trunks=(replace(BANK, way=Way.AGI),), agi=agi), ["4247"], tmp_path)
    assert f"AGI({url}bank/${{EXTEN}})" in (tmp_path / "extensions.conf").read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"agi": Agi("0.0.0.0:4573")},
        {"agi": Agi("localhost:4573")},
        {"agi": Agi("127.0.0.1")},
        {"agi": Agi(reached_at="h")},
        {"agi": Agi(reached_at="a/b:1")},
        {"agi": Agi(reached_at="h:0")},
        {"agi": Agi(allow=("10.0.0.0/99",))},
        {"agi": Agi(allow=("example.test",))},
        {"agi": Agi(numbers=("42,1",))},
        {"trunks": (replace(BANK, way=Way.AGI),)},
        {"has_ari": False, "agi": Agi()},
    ],
)
def test_agi_that_could_not_be_reached_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """At rendering, not at the first call."""
    with pytest.raises(BadInput):
        render(replace(SETTINGS, **change), ["4247"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    """The directory may be shared with a group; passwords may not."""
    written = render(SETTINGS, [], tmp_path)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in written}
    assert {name for name, mode in modes.items() if mode == 0o600} == {"ari.conf", "pjsip.conf"}
    assert {mode for name, mode in modes.items() if name not in ("ari.conf", "pjsip.conf")} == {0o640}
    assert all(path.read_text().startswith("; written by ivr render") for path in written)


def test_an_own_asterisk_is_told_its_directories(tmp_path: Path) -> None:
    """The lab's; a distribution's Asterisk keeps its own."""
    render(SETTINGS, [], tmp_path / "a", directories=Directories("/m", "/d", "state", "spool", "run", "log"))
    render(SETTINGS, [], tmp_path / "b")
    places = dict(blocks(tmp_path / "a" / "asterisk.conf"))["directories"]
    assert places["astetcdir"] == str(tmp_path / "a") and places["astmoddir"] == "/m" and places["astrundir"] == "run"
    assert "directories" not in dict(blocks(tmp_path / "b" / "asterisk.conf"))


def test_modules_of_the_listed_codecs_and_the_extra_ones_are_loaded_once(tmp_path: Path) -> None:
    """A g722 trunk can be played to, and asking twice does no harm."""
    render(
        replace(SETTINGS, trunks=(replace(BANK, codecs=("g722", "alaw")),)), [], tmp_path, extra_modules=["app_read"]
    )
    text = (tmp_path / "modules.conf").read_text()
    assert text.count("codec_g722.so") == text.count("codec_alaw.so") == text.count("app_read.so") == 1
    assert "autoload = no" in text


def test_a_file_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    """An admin's own pjsip.conf survives, and nothing else is half-changed."""
    (tmp_path / "pjsip.conf").write_text("[mine]\n")
    with pytest.raises(BadInput, match=r"did not write: pjsip\.conf"):
        render(SETTINGS, [], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pjsip.conf"]
    (tmp_path / "pjsip.conf").unlink()
    (tmp_path / "pjsip.conf").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match=r"pjsip\.conf"):
        render(SETTINGS, [], tmp_path)


def test_rendering_again_replaces_our_own_and_leaves_the_rest(tmp_path: Path) -> None:
    """Files with other names, such as an admin's include, stay."""
    (tmp_path / "voicemail.conf").write_text("mine")
    render(SETTINGS, ["1000"], tmp_path)
    written = render(SETTINGS, ["2000"], tmp_path)
    assert "2000" in (tmp_path / "extensions.conf").read_text()
    assert (tmp_path / "voicemail.conf").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in written} | {"voicemail.conf"}


def test_other_numbers_change_one_file(tmp_path: Path) -> None:
    """It is the one that a whole rendering would write; what somebody else wrote stays here too."""
    render(SETTINGS, ["1000", "2000"], tmp_path / "whole")
    assert render_numbers(SETTINGS, ["1000", "2000"], tmp_path / "one") == (tmp_path / "one" / "extensions.conf",)
    (one_file,) = (tmp_path / "one").iterdir()
    assert one_file.read_text() == (tmp_path / "whole" / "extensions.conf").read_text()
    one_file.write_text("mine")
    with pytest.raises(BadInput, match="did not write"):
        render_numbers(SETTINGS, ["3000"], tmp_path / "one")


def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    """Not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="cannot write"):
        render(SETTINGS, [], tmp_path / "file" / "below")


EVIL = [
    "a\nb",
    "a\r\nb",
    "a;b",
    "a]b",
    "a[b",
    "a,b",
    "a)b",
    "a${b}",
    "a\\b",
    "a&b",
    'a"b',
    "",
    " a",
    "a b\x00",
    "آ",
    "-a",
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "place",
    [
        "trunk name",
        "host",
        "match",
        "username",
        "codec",
        "transport",
        "application",
        "account",
        "number",
        "module",
        "bind",
    ],
)
def test_no_value_can_write_a_line_of_its_own(place: str, evil: str, tmp_path: Path) -> None:
    """Whoever may choose a trunk's name may not thereby write the dialplan."""
    if place == "username" and evil == "-a":
        return  # a user name may begin with a dash
    with pytest.raises(BadInput):
        _render_with(place, evil, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("evil", ["/a\nb", "/a;b", "/a,b", "/a)b", "/a&b", "/a${b}", "/a[b", "a/b", "/a" * 200])
def test_sounds_is_a_plain_absolute_path(evil: str, tmp_path: Path) -> None:
    """It stands inside Playback()."""
    with pytest.raises(BadInput):
        render(replace(SETTINGS, sounds=evil), [], tmp_path)


@pytest.mark.parametrize("password", ["", "hush\nb", "hush\r", " hush", "hush ", "hush\\", "پول", "hush" * 65])
def test_a_password_that_cannot_be_written_is_refused_and_not_shown(password: str, tmp_path: Path) -> None:
    """The message may end up in a log."""
    trunk = replace(BANK, username="u", password=Secret(password))
    with pytest.raises(BadInput) as refusal:
        render(replace(SETTINGS, trunks=(trunk,)), [], tmp_path)
    assert "hush" not in str(refusal.value) and "پول" not in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        {"trunks": (BANK, BANK)},
        {"trunks": (BANK, Trunk("b", "192.0.2.3", username="bank", password=Secret("x")))},
        {"trunks": (replace(BANK, username="only"),)},
        {"trunks": (replace(BANK, codecs=()),)},
        {"trunks": (replace(BANK, codecs=("g729",)),)},
        {"trunks": (replace(BANK, transport="tls"),)},
        {"trunks": (replace(BANK, srtp=True),)},
        {"trunks": (replace(BANK, host="2001:db8::1"),)},
        {"trunks": (replace(BANK, match=("2001:db8::/64",)),)},
        {"sip_bind": "[2001:db8::1]:5060"},
        {"sip_tls": replace(TLS, ca=None)},
        {"sip_tls": replace(TLS, verify=False, ca=None, require_client_certificate=True)},
        {"sip_tls": replace(TLS, bind="192.0.2.1")},
        {"sip_tls": replace(TLS, bind="192.0.2.1:5060")},
        {"sip_tls": replace(TLS, bind="[2001:db8::1]:5061")},
        {"sip_tls": replace(TLS, key="/etc/key;pem")},
        {"sip_tls": TLS, "sip_bind": "0.0.0.0:5060", "trunks": (BANK, replace(OPERATOR, transport="tls"))},
        {"trunks": (replace(BANK, port=0),)},
        {"trunks": (replace(BANK, match=("10.0.0.0/99",)),)},
        {"rtp_first": 20001},
        {"rtp_first": 0},
        {"rtp_last": 65536},
        {"sip_bind": "192.0.2.1"},
        {"sip_bind": "example.test:5060"},
        {"ari": Ari("https://127.0.0.1:8088", "ivr", Secret("x"))},
        {"ari": Ari("http://127.0.0.1", "ivr", Secret("x"))},
        {"ari": Ari("http://127.0.0.1:99999", "ivr", Secret("x"))},
        {"ari": Ari("http://127.0.0.1:8088", "general", Secret("x"))},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """At rendering, not at the first call."""
    with pytest.raises(BadInput):
        render(replace(SETTINGS, **change), [], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("away", [Away(tries=-1), Away(tries=61), Away(pause_seconds=0), Away(prompt="a)b")])
def test_the_apology_has_bounds(away: Away, tmp_path: Path) -> None:
    """A caller cannot be kept ringing for ever."""
    with pytest.raises(BadInput):
        render(SETTINGS, [], tmp_path, away=away)


def test_ari_listens_where_its_url_points(tmp_path: Path) -> None:
    """On loopback unless the settings say otherwise; a container says its own name."""
    for url, address in (
        ("http://localhost:8088", "127.0.0.1"),
        ("http://127.0.0.3:8088/", "127.0.0.3"),
        ("http://asterisk:8088", "asterisk"),
        ("http://[::1]:8088", "::1"),
    ):
        render(replace(SETTINGS, ari=replace(SETTINGS.ari, url=url)), [], tmp_path)
        assert dict(blocks(tmp_path / "http.conf"))["general"]["bindaddr"] == address


def _render_with(place: str, evil: str, directory: Path) -> None:
    settings, numbers, modules = SETTINGS, ["42473000"], ["app_read"]
    changes: dict[str, dict[str, Any]] = {
        "trunk name": {"name": evil},
        "host": {"host": evil},
        "match": {"match": (evil,)},
        "username": {"username": evil, "password": Secret("x")},
        "codec": {"codecs": (evil,)},
        "transport": {"transport": evil},
    }
    if place in changes:
        settings = replace(settings, trunks=(replace(BANK, **changes[place]),))
    elif place == "application":
        settings = replace(settings, ari=replace(settings.ari, application=evil))
    elif place == "account":
        settings = replace(settings, ari=replace(settings.ari, username=evil + "\n"))
    elif place == "bind":
        settings = replace(settings, sip_bind=f"{evil}:5060")
    elif place == "number":
        numbers = [evil]
    else:
        modules = [evil]
    render(settings, numbers, directory, extra_modules=modules)
