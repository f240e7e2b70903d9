"""config/ivr.yaml: what is read, and that every fault is named with its line."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.asterisk.settings import Way
from ivr.config import LONGEST_CALL, MOST_CALLS, Settings, load_settings
from ivr.domain.reading import Faults
from ivr.prompts.units import Currency
from tests.asterisk.tls.authority import Authority

MINIMAL = """asterisk:
  ari: {password: {env: TEST_ARI}}
trunks:
  bank: {host: 127.0.0.2}
providers: {}
"""
PROVIDER = """providers:
  paystar: {kind: paystar_saman, base_url: "https://pay.test", sequence: {env: TEST_SEQUENCE}%s}
"""


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_ARI", "  secret with spaces around \n")
    monkeypatch.setenv("TEST_SEQUENCE", "sequence")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "ivr.yaml"


def load(file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def faults(file: Path, text: str) -> list[tuple[int, str]]:
    with pytest.raises(Faults) as caught:
        load(file, text)
    assert all(fault.file == str(file) for fault in caught.value.faults)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_what_is_not_said(file: Path) -> None:
    """A short file is enough; paths are relative to it; a credential's blanks are not part of it."""
    settings = load(file, MINIMAL)
    home = file.parents[1]
    assert (settings.storage, settings.dialplan, settings.prompts) == (
        home / "var",
        home / "dialplan",
        home / "prompts",
    )
    assert settings.recordings == home / "var" / "prompts" and settings.asterisk.sounds == str(settings.recordings)
    assert settings.currency is Currency.RIAL
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 8080)
    assert (settings.limits.most_calls, settings.limits.longest_call) == (MOST_CALLS, LONGEST_CALL)
    assert settings.file == file and not settings.watch_dialplan
    assert settings.asterisk.ari.password.reveal() == "secret with spaces around"
    (bank,) = settings.asterisk.trunks
    assert not bank.trust_headers and bank.match == () and bank.password is None


def test_calls_by_agi(file: Path) -> None:
    """Beside ARI or instead of it; then no credential of ARI's is asked for."""
    both = load(file, MINIMAL.replace("asterisk:\n", "asterisk:\n  agi: {numbers: ['4247']}\n")).asterisk
    assert both.has_ari and both.agi is not None and both.agi.listen == "127.0.0.1:4573"
    assert both.way_of(both.trunks[0], "4247") is Way.AGI and both.way_of(both.trunks[0], "4248") is Way.ARI
    alone = load(file, MINIMAL.replace("ari: {password: {env: TEST_ARI}}", "agi: {}")).asterisk
    assert not alone.has_ari and alone.trunks[0].way is Way.AGI
    text = MINIMAL.replace(
        "asterisk:\n", "asterisk:\n  channel: agi\n  agi: {request_timeout: 2s, longest_line: 512}\n"
    )
    chosen = load(file, text.replace("127.0.0.2}", "127.0.0.2}\n  a: {host: 127.0.0.3, channel: ari}")).asterisk
    assert [trunk.way for trunk in chosen.trunks] == [Way.AGI, Way.ARI]
    assert chosen.agi is not None and (chosen.agi.request_seconds, chosen.agi.longest_line) == (2.0, 512)


def test_the_manager_interface(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off unless it is configured; then on loopback, and its password is no part of the file."""
    assert load(file, MINIMAL).asterisk.ami is None
    monkeypatch.setenv("TEST_AMI", "geheim")
    ami = load(file, MINIMAL.replace("asterisk:", "asterisk:\n  ami: {password: {env: TEST_AMI}}")).asterisk.ami
    assert ami is not None and (ami.host, ami.port, ami.username) == ("127.0.0.1", 5038, "ivr")
    assert ami.secret.reveal() == "geheim" and "geheim" not in repr(ami)


def test_the_shipped_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What we ship can be served as soon as its credentials are there."""
    monkeypatch.setenv("IVR_ARI_PASSWORD", "x")
    monkeypatch.setenv("PAYSTAR_SEQUENCE", "x")
    settings = load_settings(Path(__file__).parents[1] / "config" / "ivr.yaml")
    assert [t.name for t in settings.asterisk.trunks if t.trust_headers] == ["merchant"]


async def test_a_provider_with_everything(file: Path) -> None:
    """Every field of a provider is taken, and a client can be made of it."""
    (file.parent / "trunk_id").write_text("  TkdpUQ \n", encoding="utf-8")
    more = (
        ", trunk_id: {file: trunk_id}, create_factor_path: /a, create_transaction_path: /b, result_path: /c, "
        'invoice_wire_type: text, result_as_query: true, error_exits: {"7": expired}, read_timeout: 3s'
    )
    settings = load(file, MINIMAL.replace("providers: {}\n", PROVIDER % more))
    client = settings.providers["paystar"].make(lambda *_: None)
    assert "create_transaction" in settings.providers["paystar"].operations
    await client.close()


async def test_mellat_with_everything(file: Path) -> None:
    """Every field is taken, and the simulator knows which code leads where."""
    fields = (
        "kind: paystar_mellat, base_url: 'https://pay.test', sequence: {env: TEST_SEQUENCE}, "
        "otp_path: /a, pay_path: /b, otp_least: 6, otp_most: 8, total_timeout: 30s"
    )
    settings = load(file, MINIMAL.replace("providers: {}", f"providers: {{mellat: {{{fields}}}}}"))
    mellat = settings.providers["mellat"]
    assert mellat.operations.keys() == {"request_otp", "pay", "pay_by_panel"}
    assert (mellat.codes["55"], mellat.codes["80"]) == ("new_otp", "unknown")
    await mellat.make(lambda *_: None).close()


async def test_a_web_gateway_with_everything(file: Path) -> None:
    """Every field is taken; an address that payers cannot be sent back to is a fault with its line."""
    fields = (
        "kind: web_gateway, base_url: 'https://pay.test', api_key: {env: TEST_SEQUENCE}, "
        "return_url: 'https://shop.test/back', pay_base_url: 'https://pages.test'"
    )
    text = MINIMAL.replace("providers: {}", f"providers: {{web: {{{fields}}}}}")
    web = load(file, text).providers["web"]
    assert web.operations.keys() == {"create_invoice", "check", "pay_url"} and web.codes["202"] == "cancelled"
    await web.make(lambda *_: None).close()
    ((line, said),) = faults(file, text.replace("https://shop.test/back", "shop.test"))
    assert line == 5 and "return_url must be http(s)://host" in said


POD = """providers:
  pod: {kind: pod, base_url: "https://api.test", token: {env: TEST_ARI}, api_key: {env: TEST_ARI}%s}
"""
INOTI = """providers:
  ussd: {kind: inoti, base_url: "https://login.test", username: {env: TEST_ARI}, password: {env: TEST_ARI}%s}
"""


async def test_pod_with_everything(file: Path) -> None:
    """Every field is taken, a client can be made, and the house's kinds of bills are the provider's."""
    more = (
        ", api_key_cancel: {env: TEST_ARI}, token_issuer: '2', path: /x, products: {payment_link: '217462'}, "
        'pay_host: "https://sandbox.pod.ir:1033", redirect_uri: "https://shop.test/a", call_uri: "https://shop.test/b"'
        ", unique_number_field: unique, error_exits: {'150': refused}, never_cancelled: [mci], absent_after: 10m"
    )
    text = MINIMAL.replace("providers: {}\n", POD % more) + 'bill_services: {"4": traffic}\n'
    settings = load(file, text)
    assert settings.bill_services["4"] == "traffic" and settings.bill_services["1"] == "water"
    assert settings.providers["pod"].codes["150"] == "refused" and "pay_bill" in settings.providers["pod"].operations
    client = settings.providers["pod"].make(lambda *_: None)
    assert (await client.ask("pay_bill", {"bill_id": "7748317800142", "payment_id": "1770160"})).exit == "traffic_bill"
    await client.close()


async def test_inoti_with_everything(file: Path) -> None:
    """Every field is taken, and a client can be made."""
    more = (
        ', code_name: "*6655*123#", path: /x, null_result: none, paid_results: [OK], calendar: jalali, '
        "date_form: YYYY-MM-DD, days: 7"
    )
    settings = load(file, MINIMAL.replace("providers: {}\n", INOTI % more))
    client = settings.providers["ussd"].make(lambda *_: None)
    assert list(client.operations) == ["verify_payment"]
    await client.close()


def test_notices(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where flows can send notices to, signed or not; what cannot be an address is named."""
    monkeypatch.setenv("TEST_SHOP", "key")
    notices = 'notices:\n  shop: {url: "https://shop.test/ivr", secret: {env: TEST_SHOP}}\n  log: {url: "http://127.0.0.1:1"}\n'
    found = load(file, MINIMAL + notices).notices
    shop = found["shop"]
    assert shop.http.base_url == "https://shop.test/ivr" and shop.secret is not None and shop.secret.reveal() == "key"
    assert found["log"].secret is None
    bad = 'notices:\n  a: {url: "https://u:p@x.test"}\n  b: {}\n  c: {url: "https://x.test", secret: plain, uri: x}\n'
    assert faults(file, MINIMAL + bad) == [
        (7, "'url' must be http(s)://host[:port][/path] without user, query and fragment"),
        (8, "notice 'b' needs 'url'"),
        (9, "'secret' is a credential: write {env: NAME} or {file: path}, not the value itself"),
        (9, "notice 'c' has no field 'uri' (did you mean 'url'?)"),
    ]


def test_a_bank_of_the_sandbox(file: Path) -> None:
    """The lab's bank is configured like any provider; any of them may say when its unpaid invoices end."""
    text = MINIMAL.replace("providers: {}", 'providers: {bank: {kind: sandbox_bank, base_url: "http://127.0.0.1:1"}}')
    bank = load(file, text).providers["bank"]
    assert "settle" in bank.operations and bank.invoice_lifetime is None
    text = text.replace("kind: sandbox_bank", "kind: sandbox_bank, invoice_lifetime: 24h")
    assert load(file, text).providers["bank"].invoice_lifetime == 24 * 3600


@pytest.mark.parametrize(
    ("old", "new", "line", "about"),
    [
        ("providers: {}", "providers: {}\ncolour: blue", 6, "colour"),
        ("{env: TEST_ARI}", "plain-text", 2, "{env: NAME}"),
        ("{env: TEST_ARI}", "{env: TEST_NOT_THERE}", 2, "TEST_NOT_THERE"),
        ("{env: TEST_ARI}", "{file: nothing}", 2, "cannot be read"),
        ("{env: TEST_ARI}", "{vault: x}", 2, "{env: NAME} or {file: path}"),
        ("{password: {env: TEST_ARI}}", "{url: ftp://x, password: {env: TEST_ARI}}", 2, "http://host:8088"),
        ("{password: {env: TEST_ARI}}", '{url: "http://me:x@h", password: {env: TEST_ARI}}', 2, "without a user name"),
        ("{host: 127.0.0.2}", "{port: 5060}", 4, "needs 'host'"),
        ("{host: 127.0.0.2}", "{host: h, port: 99999}", 4, "65535"),
        ("{host: 127.0.0.2}", "{host: h, trust_header: true}", 4, "trust_header"),
        ("providers: {}", "providers: {x: {kind: paystar_samam}}", 5, "did you mean"),
        ("providers: {}", "providers: {x: {kind: sandbox_bank, base_url: nowhere}}", 5, "base_url must be http"),
        ("providers: {}\n", POD % ", absent_after: 8d", 6, "absent_after"),
        ("providers: {}\n", POD % ", invoice_lifetime: 5s", 6, "invoice_lifetime"),
        ("providers: {}\n", POD % ", products: {pay: '1'}", 6, "there is no service pay"),
        ("providers: {}\n", POD % ", pay_host: pay.pod.ir", 6, "pay_host must be an address"),
        ("providers: {}\n", INOTI % "", 6, "needs 'code_name'"),
        ("providers: {}\n", INOTI % ", code_name: x, calendar: lunar", 6, "calendar"),
        ("providers: {}", "providers: {}\nbill_services: {'7': taxes}", 6, "did you mean 'tax'"),
        ("providers: {}", "providers: {}\nbill_services: {'77': tax}", 6, "one digit"),
        ("providers: {}", "providers: {}\nlimits: {most_calls: 0}", 6, "most_calls"),
        ("providers: {}", "providers: {}\nlimits: {longest_call: 5}", 6, "longest_call"),
        ("providers: {}", "providers: {}\ncurrency: dollar", 6, "rial"),
        ("providers: {}", "providers: {}\nweb: {port: 70000}", 6, "port"),
        ("asterisk:", "asterisk: [", 3, "not YAML"),
        ("ari: {password: {env: TEST_ARI}}", "agi: {listen: nowhere}", 2, "agi: listen must be an address"),
        ("ari: {password: {env: TEST_ARI}}", 'agi: {listen: "0.0.0.0:4573"}', 2, "reached_at"),
        ("ari: {password: {env: TEST_ARI}}", "agi: {most_connections: 0}", 2, "most_connections"),
        ("ari: {password: {env: TEST_ARI}}", "agi: {port: 4573}", 2, "no field 'port'"),
        ("asterisk:", "asterisk:\n  ami: {}", 2, "needs 'password'"),
        ("asterisk:", "asterisk:\n  ami: {password: {env: TEST_ARI}, host: 0.0.0.0}", 2, "ami.allow"),
        ("asterisk:", "asterisk:\n  ami: {password: {env: TEST_ARI}, secret: x}", 2, "no field 'secret'"),
        ("{host: 127.0.0.2}", "{host: h, channel: agi}", 4, "asterisk needs agi"),
        ("{host: 127.0.0.2}", "{host: h, channel: api}", 4, "did you mean"),
    ],
)
def test_faults_have_their_line(file: Path, old: str, new: str, line: int, about: str) -> None:
    """Each says where it is and what would be right."""
    found = faults(file, MINIMAL.replace(old, new))
    assert any(at == line and about in message for at, message in found), found


@pytest.mark.parametrize(
    ("trunks", "line", "about"),
    [
        ("bank: {host: 127.0.0.2, codecs: [g729]}", 4, "g729"),
        ('bank: {host: 127.0.0.2, match: ["127.0.0.400 ; x"]}', 4, "match"),
        ('bank: {host: 127.0.0.2, match: ["0.0.0.0/0"], trust_headers: true}', 4, "too wide"),
        ('a: {host: 1.1.1.1, match: ["10.0.0.0/8"]}\n  b: {host: 1.1.1.2, match: ["10.1.2.3"]}', 5, "by trunk 'a'"),
    ],
)
def test_a_trunk_that_asterisk_could_not_have(file: Path, trunks: str, line: int, about: str) -> None:
    """What could not be rendered, or could be mistaken for another trunk, is told before Asterisk is touched."""
    found = faults(file, MINIMAL.replace("bank: {host: 127.0.0.2}", trunks))
    assert any(at == line and about in message for at, message in found), found


TLS = """asterisk:
  ari: {password: {env: TEST_ARI}}
  sip_bind: "192.0.2.1:5060"
  sip_tls:
    certificate: tls/own.pem
    key: tls/own.key
    ca: tls/ca.pem
trunks:
  bank: {host: 192.0.2.2, transport: tls, srtp: true}
  old: {host: 192.0.2.3, transport: tcp}
providers: {}
"""


def test_a_trunk_by_tls(file: Path) -> None:
    """Verified unless something else is written; paths begin at the file; port 5061."""
    asterisk = load(file, TLS).asterisk
    tls = asterisk.sip_tls
    assert tls is not None and tls.certificate == str(file.parent / "tls" / "own.pem")
    assert (tls.verify, tls.require_client_certificate, tls.bind) == (True, False, "")
    bank, old = asterisk.trunks
    assert (bank.transport, bank.srtp, bank.port) == ("tls", True, 5061)
    assert (old.transport, old.srtp, old.port) == ("tcp", False, 5060)
    text = TLS.replace("transport: tcp", "srtp: true, keys_in_clear: true")
    assert load(file, text).asterisk.trunks[1].keys_in_clear


@pytest.mark.parametrize(
    ("old", "new", "line", "about"),
    [
        ("transport: tcp", "srtp: true", 10, "'srtp': its keys would travel in clear over udp"),
        ("transport: tcp", "transport: tsl", 10, "did you mean 'tls'?"),
        ("transport: tcp", "keys_in_clear: true", 10, "'keys_in_clear': means something only"),
        ("srtp: true", "srtp: true, keys_in_clear: true", 9, "'keys_in_clear': means something only"),
        ("    ca: tls/ca.pem\n", "", 5, "'ca' is needed to verify whom we call"),
        ("    ca: tls/ca.pem", "    verify: false\n    require_client_certificate: true", 5, "verify who calls us"),
        ("ca: tls/ca.pem", "ca: tls/ca.pem\n    verify: perhaps", 8, "true or false"),
        ("ca: tls/ca.pem", "ca: tls/ca.pem\n    cipher: x", 8, "no field 'cipher'"),
        ("    key: tls/own.key\n", "", 5, "needs 'key'"),
        ("ca: tls/ca.pem", 'ca: tls/ca.pem\n    bind: "192.0.2.1:5060"', 5, "a port of its own"),
        ("192.0.2.1:5060", "0.0.0.0:5060", 9, "a sip_bind of one address"),
        ("host: 192.0.2.2", "host: 2001:db8::2", 9, "is IPv6, but SIP listens on IPv4"),
    ],
)
def test_secrecy_that_would_be_none(file: Path, old: str, new: str, line: int, about: str) -> None:
    """Each says what would be in clear or unverified, and is said once."""
    ((at, said),) = faults(file, TLS.replace(old, new))
    assert at == line and about in said


def test_tls_without_its_settings(file: Path) -> None:
    """The trunk is named."""
    text = MINIMAL.replace("{host: 127.0.0.2}", "{host: 127.0.0.2, transport: tls}")
    assert faults(file, text) == [
        (4, "'transport': tls needs asterisk.sip_tls: {certificate: …, key: …, ca: …}"),
    ]


@pytest.fixture
def tls_files(file: Path) -> Path:
    directory = file.parent / "tls"
    directory.mkdir()
    authority = Authority("ca", file.parent)
    for name in ("own", "other"):
        pair = authority.signs(name, "192.0.2.1")
        pair.certificate.rename(directory / f"{name}.pem")
        pair.key.rename(directory / f"{name}.key")
    (directory / "ca.pem").write_bytes(authority.certificate.read_bytes())
    file.write_text(TLS, encoding="utf-8")
    return directory


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def test_certificates_are_looked_at_for_asterisk_alone(file: Path, tls_files: Path) -> None:
    """What fits is taken. Whoever only reads the books needs no key."""
    assert load_settings(file, sip_files=True).asterisk.sip_tls is not None
    (tls_files / "own.key").unlink()
    load_settings(file)
    with pytest.raises(Faults, match=r"ivr\.yaml:6:10: .*own\.key cannot be read: No such file"):
        load_settings(file, sip_files=True)


@pytest.mark.parametrize(
    ("spoil", "line", "about"),
    [
        (lambda tls: (tls / "own.pem").unlink(), 5, "cannot be read: No such file"),
        (lambda tls: (tls / "ca.pem").unlink(), 7, "cannot be read: No such file"),
        (lambda tls: (tls / "own.pem").write_text("no certificate"), 5, "holds no certificate in PEM"),
        (lambda tls: (tls / "ca.pem").write_text(""), 7, "holds no certificate in PEM"),
        (lambda tls: (tls / "other.key").replace(tls / "own.key"), 6, "own.key is not the key of"),
        (lambda tls: (tls / "own.key").write_text("no key"), 6, "holds no key in PEM"),
        (
            lambda tls: _openssl(
                "ec", "-in", tls / "other.key", "-aes128", "-passout", "pass:xyz", "-out", tls / "own.key"
            ),
            6,
            "holds no key in PEM without a passphrase",
        ),
        (lambda tls: (tls / "own.key").chmod(0o644), 6, "everybody on this machine can read"),
    ],
)
def test_certificates_that_asterisk_could_not_use(
    file: Path, tls_files: Path, spoil: Callable[[Path], object], line: int, about: str
) -> None:
    """Told by `ivr check`, before the first call by TLS fails."""
    spoil(tls_files)
    with pytest.raises(Faults) as caught:
        load_settings(file, sip_files=True)
    (fault,) = caught.value.faults
    assert fault.line == line and about in fault.message


def test_all_faults_at_once(file: Path) -> None:
    """Nobody has to mend one to hear of the next."""
    text = MINIMAL.replace("{env: TEST_ARI}", "x").replace("127.0.0.2", "h, porty: 1") + "colour: blue\n"
    assert [line for line, _ in faults(file, text)] == [2, 4, 6]


def test_files_that_are_none(file: Path) -> None:
    """Missing, empty, or not text."""
    with pytest.raises(Faults, match="cannot be read"):
        load_settings(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Faults, match="not UTF-8"):
        load_settings(file)
    assert faults(file, "")[0][1] == "the file is empty"


def test_credentials_are_not_needed_to_look(file: Path) -> None:
    """`ivr check` works on a machine that has no credential; what is there still has to be well formed."""
    file.write_text(MINIMAL.replace("TEST_ARI", "TEST_NOT_THERE"), encoding="utf-8")
    load_settings(file, credentials=False)
    file.write_text(MINIMAL.replace("{env: TEST_ARI}", "plain"), encoding="utf-8")
    with pytest.raises(Faults):
        load_settings(file, credentials=False)


def test_a_dialplan_that_is_watched(file: Path) -> None:
    """True or false, and no other word."""
    assert load(file, f"{MINIMAL}watch_dialplan: true\n").watch_dialplan
    ((line, said),) = faults(file, f"{MINIMAL}watch_dialplan: often\n")
    assert (line, said) == (6, "'watch_dialplan' must be true or false")
