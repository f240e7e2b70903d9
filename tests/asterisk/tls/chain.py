"""A phone, a merchant and the merchant's bank, each an Asterisk of its own, that speak TLS and SRTP with each other.

Law: all three are configured by our own rendering; what is in clear is there only to be refused.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.asterisk.settings import Ari
from ivr.domain.secret import Secret
from ivr.lab.addresses import Block
from ivr.lab.asterisk import ensure_asterisk
from ivr.lab.hearing import Sound, load_prompts
from ivr.lab.party import Party
from ivr.lab.phone import Phone
from ivr.lab.town import BANK_DIALPLAN, HOUSE, MERCHANT_PHONE, PAY_NUMBER
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.build import build
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY
from tests.asterisk.tls.authority import Authority
from tests.asterisk.tls.impostor import Impostor

SECRET: Final[Mapping[str, object]] = {"transport": "tls", "srtp": True}
PROMPTS: Final = HOUSE / "prompts"
RECORDINGS: Final = HOUSE / "var" / "prompts"


@dataclass(frozen=True)
class Chain:
    """Everything up."""

    merchant: Party
    bank: Party
    handset: Party
    phone: Phone
    sandbox: SandboxServer
    ours: Authority
    strange: Authority
    """Nobody believes it."""
    impostors: Mapping[str, Impostor]
    """By the phone's trunk that leads to it."""
    sounds: Mapping[str, Sound]


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[Chain]:
    """The chain; all of it is gone at the end."""
    done = build(Catalogue.load(PROMPTS), PROMPTS, RECORDINGS)
    assert not done.faults
    asterisk = ensure_asterisk()
    async with AsyncExitStack() as stack:
        block = stack.enter_context(Block())
        sandbox = await stack.enter_async_context(SandboxServer())
        merchant, bank, handset = (
            Party(name, block.address(), home / name, asterisk) for name in ("merchant", "bank", "phone")
        )
        ours, strange = Authority("ours", home), Authority("strange", home)
        here, there = block.address(), block.address()
        impostors = {
            "foreign": Impostor(strange.signs("foreign", here), here),
            "misnamed": Impostor(ours.signs("misnamed", here), there),
        }
        for impostor in impostors.values():
            await stack.enter_async_context(impostor)
        _configure(merchant, bank, handset, sandbox, ours, impostors, nobody=block.address())
        parties = (merchant, bank, handset)
        for party in parties:
            stack.push_async_callback(party.stop)
        await asyncio.gather(*(party.start_asterisk() for party in parties))
        await asyncio.gather(merchant.start_app(), bank.start_app())
        ari = Ari(f"http://{handset.address}:{handset.ari_port}", "ivr", Secret(handset.password))
        phone = Phone(ari, handset.address, home / "heard")
        await phone.start()
        stack.push_async_callback(phone.stop)
        sounds = await asyncio.to_thread(load_prompts, RECORDINGS, "fa")
        yield Chain(merchant, bank, handset, phone, sandbox, ours, strange, impostors, sounds)


def _configure(
    merchant: Party,
    bank: Party,
    handset: Party,
    sandbox: SandboxServer,
    ours: Authority,
    impostors: Mapping[str, Impostor],
    nobody: str,
) -> None:
    merchant.environment["PAYSTAR_SEQUENCE"] = DEMO_GATEWAY.sequence.reveal()
    merchant.configure(
        trunks={
            "public": merchant.trunk_to(handset, **SECRET),
            "bank": merchant.trunk_to(bank, **SECRET),
            "old": {"host": nobody, "match": [nobody]},  # its like is why SIP in clear is listened to at all
        },
        providers={
            "paystar": {
                "kind": "paystar_saman",
                "base_url": sandbox.paystar_url,
                "sequence": {"env": "PAYSTAR_SEQUENCE"},
            }
        },
        dialplan=HOUSE / "dialplan",
        numbers=[{"number": PAY_NUMBER, "flow": "pay_invoice", "settings": {"merchant_phone": MERCHANT_PHONE}}],
        recordings=RECORDINGS,
        prompts=PROMPTS,
        sip_tls=_tls(merchant, ours, require_client_certificate=True),
    )
    bank.configure(
        trunks={"merchant": bank.trunk_to(merchant, trust_headers=True, **SECRET)},
        providers={"bank": {"kind": "sandbox_bank", "base_url": sandbox.bank_url}},
        dialplan=BANK_DIALPLAN,
        numbers=[{"number": MERCHANT_PHONE, "flow": "bank_ivr"}],
        recordings=RECORDINGS,
        prompts=PROMPTS,
        sip_tls=_tls(bank, ours),
    )
    handset.configure(
        trunks={
            "merchant": handset.trunk_to(merchant, **SECRET),
            "plain_sound": handset.trunk_to(merchant, transport="tls", match=[]),
            "plain_sip": handset.trunk_to(merchant, srtp=True, keys_in_clear=True, match=[]),
            **{name: {"host": one.address, "port": one.port, **SECRET} for name, one in impostors.items()},
        },
        recordings=RECORDINGS,
        prompts=PROMPTS,
        modules=("res_rtp_multicast", "chan_rtp"),
        sip_tls=_tls(handset, ours),
    )


def _tls(party: Party, authority: Authority, **more: object) -> dict[str, object]:
    """Its `asterisk.sip_tls`, with paths beside its configuration as an admin writes them."""
    pair = authority.signs(party.name, party.address)
    directory = party.config.parent / "tls"
    directory.mkdir(parents=True)
    for source, name in ((pair.certificate, "own.pem"), (pair.key, "own.key"), (authority.certificate, "ca.pem")):
        shutil.copy2(source, directory / name)
    return {"certificate": "tls/own.pem", "key": "tls/own.key", "ca": "tls/ca.pem", **more}
