"""The agents' desk: SIP phones that register at the merchant's Asterisk, ring there, talk, and send callers elsewhere.

Law: a desk is a real user agent: an Asterisk of its own that registers with passwords, is rung by INVITE and transfers
by REFER. It knows nothing of the application under test.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from ivr.asterisk.settings import Ari
from ivr.domain.errors import Unusable
from ivr.domain.secret import Secret
from ivr.lab.party import Party
from ivr.lab.phone import Phone, PhoneCall

EXPIRES: Final = 120
REGISTER_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.2
_MODULES: Final = ("res_rtp_multicast", "chan_rtp", "res_pjsip_outbound_registration", "res_pjsip_refer")


class Desk(Phone):
    """Phones of several agents on one Asterisk. A call to `sara` comes in at the user name `sara`."""

    async def calls_as(self, agent: str, number: str, **more: object) -> PhoneCall:
        """An agent dials a number at the merchant; answered when this returns. Raises CallFailed."""
        return await self.call(number, trunk=f"line-{agent}", caller_number=None, **more)  # type: ignore[arg-type]


def configure_desk(desk: Party, merchant: Party, passwords: Mapping[str, str]) -> None:
    """Write the desk's configuration: a registration and a line for each agent."""
    desk.configure(
        trunks={"merchant": desk.trunk_to(merchant)},
        recordings=desk.home,
        prompts=desk.home,
        modules=_MODULES,
    )
    target = f"sip:{merchant.address}:{merchant.sip_port}"
    own = f"{desk.address}"
    lines = []
    for agent, password in passwords.items():
        lines += [
            f"[line-{agent}]\ntype=auth\nauth_type=userpass\nusername={agent}\npassword={password}",
            f"[line-{agent}]\ntype=aor\ncontact={target}",
            f"[line-{agent}]\ntype=endpoint\ncontext=from-merchant\ntransport=transport-udp\ndisallow=all\nallow=alaw\n"
            f"aors=line-{agent}\noutbound_auth=line-{agent}\nfrom_user={agent}\ndtmf_mode=rfc4733\ndirect_media=no\n"
            f"media_address={own}\nbind_rtp_to_media_address=yes",
            f"[line-{agent}]\ntype=registration\ntransport=transport-udp\noutbound_auth=line-{agent}\n"
            f"server_uri={target}\nclient_uri=sip:{agent}@{merchant.address}:{merchant.sip_port}\ncontact_user={agent}\n"
            f"expiration={EXPIRES}\nretry_interval=1\nmax_retries=100",
        ]
    with (desk.instance.etc / "pjsip.conf").open("a", encoding="utf-8") as file:
        file.write("\n" + "\n\n".join(lines) + "\n")
    with (desk.instance.etc / "extensions.conf").open("a", encoding="utf-8") as file:
        file.write("\n[from-merchant]\nexten => _[a-z]!,1,Stasis(ivr,${EXTEN})\n same => n,Hangup()\n")


async def start_desk(desk: Party, merchant: Party, agents: Sequence[str]) -> Desk:
    """Drive the desk's phones once they are registered; both Asterisks must be up. Raises Unusable."""
    await _registered(merchant, agents)
    ari = Ari(f"http://{desk.address}:{desk.ari_port}", "ivr", Secret(desk.password))
    phones = Desk(ari, desk.address, desk.home / "heard")
    await phones.start()
    return phones


async def _registered(merchant: Party, agents: Sequence[str]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REGISTER_SECONDS
    while True:
        known = await merchant.instance.rx("pjsip show contacts")
        missing = [agent for agent in agents if f"{agent}/sip:" not in known]
        if not missing:
            return
        if loop.time() > deadline:
            raise Unusable(f"within {REGISTER_SECONDS:g} s these phones did not register: {', '.join(missing)}")
        await asyncio.sleep(POLL_SECONDS)
