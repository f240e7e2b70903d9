"""Calls over TLS and SRTP between real Asterisks: what passes on the wire, and who is refused."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from ivr.lab.bench.wire import ALAW, FRAME, Wire
from ivr.lab.party import Party
from ivr.lab.phone import CallFailed
from ivr.lab.town import PAY_NUMBER
from tests.asterisk.tls.authority import Pair
from tests.asterisk.tls.chain import RECORDINGS, Chain, running
from tests.end_to_end.stage import MONEY, MONEY_WORDS, Caller, Told

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER = "09121234567"
OPTIONS = (
    "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS {to}:9;branch=z9hG4bK1\r\nFrom: <sip:a@{to}>;tag=1\r\n"
    "To: <sip:{to}>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n"
)
TCP, UDP = 6, 17
RTP_HEADER = 12
TAG = 10
"""Bytes that SRTP adds to a packet (AES_CM_128_HMAC_SHA1_80)."""


@dataclass(frozen=True)
class Paid:
    """A call that was paid, and all packets of meanwhile."""

    told: Told
    code: str
    packets: list[bytes] | None
    """From their IPv4 header on; None where we may not look."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    async with running(tmp_path_factory.mktemp("tls")) as chain:
        yield chain


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def paid(chain: Chain) -> Paid:
    """A caller pays an invoice, as anywhere else."""
    code = chain.sandbox.books.add_invoice(MONEY).tracking_code
    with ExitStack() as stack:
        try:
            wires = [stack.enter_context(Wire(one.address, snap=65535)) for one in (chain.merchant, chain.handset)]
        except PermissionError:
            wires = []
        caller = Caller(await chain.phone.call(PAY_NUMBER, caller_number=CALLER), chain.sounds)
        await caller.agrees(code)
        await caller.pays()
        await caller.hears("pay/paid")
        told = await caller.hangs_up()
    packets = [packet for wire in wires for packet in wire.everything()]
    return Paid(told, code, packets if wires else None)


async def test_a_call_is_paid(chain: Chain, paid: Paid) -> None:
    """The caller hears and keys what they would in clear; the bank gets its caller id and its amount."""
    assert paid.told.names == [
        "invoice/welcome",
        *("pay/amount_payable", *MONEY_WORDS, "pay/is", "pay/press_keys"),
        "pay/connecting_to_bank",
        *("bank/welcome", "bank/amount_is", *MONEY_WORDS),
        *("bank/enter_card", "bank/enter_pin", "bank/paid", "pay/paid"),
    ]
    (payment,) = [row for row in await chain.merchant.payments() if row["invoice_id"] == paid.code]
    assert payment["state"] == "approved"
    (invite,) = await chain.bank.invites()
    assert invite.header("Amount") == str(MONEY)


async def test_nobody_on_the_way_reads_along(chain: Chain, paid: Paid) -> None:
    """Neither SIP nor a key nor a prompt is in clear; inside the phone, where all is, the same look finds them."""
    if paid.packets is None:
        pytest.skip("needs the right to see packets on loopback: run as root")
    frames = _frames()
    for one, other in ((chain.handset, chain.merchant), (chain.merchant, chain.bank)):
        tcp, udp = _between(paid.packets, one, other, TCP), _between(paid.packets, one, other, UDP)
        told = b"".join(tcp)
        assert len(told) > 2000, "nothing was said at all"
        for word in (b"SIP/2.0", b"INVITE", b"Amount", b"crypto", CALLER.encode(), PAY_NUMBER.encode()):
            assert word not in told
        sound = [packet for packet in udp if packet[0] >> 6 == 2 and not 192 <= packet[1] <= 223]
        assert len(sound) > 100 and not any(b"SIP/2.0" in packet for packet in udp)
        keys = [packet for packet in sound if packet[1] & 0x7F != ALAW]
        assert keys and {len(packet) for packet in keys} == {RTP_HEADER + 4 + TAG}
        assert max(len(packet) for packet in sound) == RTP_HEADER + FRAME + TAG
        assert not any(packet[RTP_HEADER : RTP_HEADER + FRAME] in frames for packet in sound)
    to_its_ear = [one for one in _payloads(paid.packets, chain.handset.address, UDP) if one[RTP_HEADER:] in frames]
    assert len(to_its_ear) > 100


@pytest.mark.parametrize(
    ("trunk", "status"),
    [
        ("plain_sound", 488),  # RTP in clear is offered
        ("plain_sip", 403),  # SRTP, but its keys came in clear, from the right address
    ],
)
async def test_a_call_in_clear_is_refused(chain: Chain, trunk: str, status: int) -> None:
    """Nobody can talk a trunk out of its secrecy."""
    with pytest.raises(CallFailed) as failed:
        await chain.phone.call(PAY_NUMBER, trunk=trunk)
    assert failed.value.sip == status


@pytest.mark.parametrize("trunk", ["foreign", "misnamed"])
async def test_somebody_else_in_the_far_side_s_place_is_told_nothing(chain: Chain, trunk: str) -> None:
    """A certificate of an authority that is not ours, or of another address: the call fails before a word is said."""
    with pytest.raises(CallFailed):
        await chain.phone.call(PAY_NUMBER, trunk=trunk)
    impostor = chain.impostors[trunk]
    assert impostor.connections and impostor.told == b""


async def test_who_may_connect(chain: Chain) -> None:
    """Only who shows a certificate of the authority, and by TLS 1.2 or newer."""
    known = chain.ours.signs("known", chain.handset.address)
    assert (await _asks(chain.merchant, known)).startswith("TLSv1.")
    for pair, newest in (
        (None, ssl.TLSVersion.TLSv1_3),
        (chain.strange.signs("unknown", chain.handset.address), ssl.TLSVersion.TLSv1_3),
        (known, ssl.TLSVersion.TLSv1_1),
    ):
        with pytest.raises(OSError):
            await _asks(chain.merchant, pair, newest)
    assert (await _asks(chain.bank, None)).startswith("TLSv1.")  # it does not require one


async def _asks(party: Party, pair: Pair | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
    """The version of TLS by which a SIP request was answered. Raises OSError where nobody wanted to speak."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")  # or our own OpenSSL would refuse what theirs must
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tried
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)

    def ask() -> str:
        with (
            socket.create_connection((party.address, party.sip_tls_port), 10) as plain,
            context.wrap_socket(plain) as wire,
        ):
            wire.sendall(OPTIONS.format(to=party.address).encode())
            answer = wire.recv(4096)
            if not answer.startswith(b"SIP/2.0 "):
                raise ConnectionError("hung up")
            return wire.version() or ""

    return await asyncio.to_thread(ask)


def _frames() -> frozenset[bytes]:
    """Every packet's worth of every prompt that is not silence."""
    sounds = (file.read_bytes() for file in (RECORDINGS / "fa").rglob("*.alaw"))
    frames = (sound[at : at + FRAME] for sound in sounds for at in range(0, len(sound) - FRAME + 1, FRAME))
    return frozenset(frame for frame in frames if len(set(frame)) > 20)


def _between(packets: list[bytes], one: Party, other: Party, protocol: int) -> list[bytes]:
    """What follows the TCP or UDP header of the packets between two, either way."""
    there = _payloads(packets, other.address, protocol, one.address)
    return [*there, *_payloads(packets, one.address, protocol, other.address)]


def _payloads(packets: list[bytes], target: str, protocol: int, source: str | None = None) -> Iterator[bytes]:
    for packet in packets:
        if packet[9] != protocol or packet[16:20] != socket.inet_aton(target):
            continue
        if source is None or packet[12:16] == socket.inet_aton(source):
            begin = (packet[0] & 15) * 4
            begin += 8 if protocol == UDP else (packet[begin + 12] >> 4) * 4
            yield packet[begin:]
