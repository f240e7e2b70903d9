"""The merchant's agents in the town: numbers that lead to each of them, and what an agent does on the telephone.

Law: every story has agents of its own, so that stories can be told at the same time.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ivr.lab.hearing import Sound
from ivr.lab.phone import PhoneCall
from ivr.lab.town import MERCHANT_PHONE, Town
from tests.end_to_end.stage import Caller

_NAMES: Final = (
    *("sara", "reza", "mina", "omid", "lale", "babak", "nima", "taraneh", "dara", "shirin", "kaveh"),
    *("parisa", "yasmin", "hamid", "nasrin", "nader", "zari"),
)
AGENTS: Final[Mapping[str, str]] = {name: f"{100 + number}" for number, name in enumerate(_NAMES, 1)}
"""By name, the number of their phone."""

QUEUES: Final[Mapping[str, Sequence[str]]] = {"sales": ("shirin", "kaveh"), "deserted": ()}

PUTS_DOWN_AFTER: Final = 2.0
TALKS_AFTER: Final = 1.0
"""Seconds: a transfer, like a word to the caller, needs both to be connected first."""

PAY: Final = "42477000"
"""Pays an invoice; afterwards the caller goes back to the agent."""
STATUS: Final = "42477001"
"""Tells what became of a bill, and goes back to no agent."""
TO_SALES: Final = "42477050"
TO_NOBODY: Final = "42477051"
SECRETS: Final = "42477060"
"""Asks for a card and a PIN, and does nothing with them."""
TALK_THEN_SECRETS: Final = "42477061"
"""Leads to nader, and asks for a card and a PIN when he has hung up."""
RECORDED: Final = ("parisa", "yasmin", "nasrin", "nader")
"""Agents whose talks are recorded."""


def to(agent: str) -> str:
    """The number whose callers talk to this agent."""
    return f"42477{AGENTS[agent]}"


NUMBERS: Final[Sequence[Mapping[str, object]]] = (
    {
        "number": PAY,
        "flow": "pay_invoice",
        "settings": {"merchant_phone": MERCHANT_PHONE},
        "afterwards": {"flow": "back_to_agent"},
    },
    {"number": STATUS, "flow": "bill_status"},
    *({"number": to(agent), "flow": f"to_{agent}"} for agent in AGENTS),
    {"number": TO_SALES, "flow": "to_sales"},
    {"number": TO_NOBODY, "flow": "to_deserted"},
    {"number": SECRETS, "flow": "assisted_secrets"},
    {"number": TALK_THEN_SECRETS, "flow": "talk_then_secrets"},
)

_FLOW: Final = """flow: to_{name}
first: transfer
on_failure: sorry
steps:
  transfer:
    transfer: {{{whom}, prompt: common/please_wait, tell: agent/not_tried, wait: 20s}}
    next: goodbye
    exits: {{busy: nobody, no_answer: nobody, unreachable: nobody}}
  nobody: {{say: common/operator_unavailable, next: end}}
  sorry: {{say: common/technical_problem, next: end}}
  goodbye: {{say: common/goodbye, next: end}}
  end: {{hang_up: normal}}
"""


_SECRETS: Final = """flow: assisted_secrets
first: ask_card
on_failure: sorry
steps:
  ask_card:
    ask: {prompt: bank/enter_card, form: card, save: card, first_digit_timeout: 15s, inter_digit_timeout: 10s}
    next: ask_pin
    exits: {silence: sorry, invalid: sorry}
  ask_pin:
    ask: {prompt: bank/enter_pin, save: pin, secret: true, min: 5, max: 12, first_digit_timeout: 15s}
    next: thanks
    exits: {silence: sorry, invalid: sorry}
  thanks: {say: pay/paid, next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


_TALK: Final = """  talk:
    transfer: {agent: nader, prompt: common/please_wait, tell: agent/not_tried, wait: 20s}
    next: ask_card
    exits: {busy: sorry, no_answer: sorry, unreachable: sorry}
"""


def write_flows(dialplan: Path) -> None:
    """A flow for each agent and each queue that leads straight to them, and one that asks for secrets."""
    (dialplan / "flows" / "assisted_secrets.yaml").write_text(_SECRETS, "utf-8")
    talk = _SECRETS.replace("flow: assisted_secrets\nfirst: ask_card", "flow: talk_then_secrets\nfirst: talk")
    (dialplan / "flows" / "talk_then_secrets.yaml").write_text(talk.replace("steps:\n", f"steps:\n{_TALK}"), "utf-8")
    for name in AGENTS:
        (dialplan / "flows" / f"to_{name}.yaml").write_text(_FLOW.format(name=name, whom=f"agent: {name}"), "utf-8")
    for name in QUEUES:
        (dialplan / "flows" / f"to_{name}.yaml").write_text(_FLOW.format(name=name, whom=f"queue: {name}"), "utf-8")


class Agent(Caller):
    """One of the merchant's people in the middle of a call."""

    def __init__(self, town: Town, name: str, call: PhoneCall, sounds: Mapping[str, Sound]) -> None:
        super().__init__(call, sounds)
        self.town = town
        self.name = name

    async def sends_to(self, number: str, more: str = "") -> None:
        """The transfer key of the phone: REFER. `more` stands behind the address."""
        merchant = self.town.merchant
        await self.call.send_to(f"<sip:{number}@{merchant.address}:{merchant.sip_port}{more}>")
        await asyncio.sleep(PUTS_DOWN_AFTER)
        await self.call.hang_up()  # as phones do; mostly the far side was quicker

    async def is_told(self, prompt: str) -> None:
        """Hear this to its end; afterwards both can talk."""
        await self.hears(prompt)
        await asyncio.sleep(TALKS_AFTER)

    async def gives_place(self, other: "Agent") -> None:
        """The transfer key with another call of this phone open: REFER with Replaces."""
        call_id, ours, theirs = [
            await other.call.variable(f"CHANNEL(pjsip,{name})") for name in ("call-id", "local_tag", "remote_tag")
        ]
        replaces = quote(f"{call_id};to-tag={theirs};from-tag={ours}", safe="")
        await self.sends_to(PAY, f"?Replaces={replaces}")


async def picks_up(town: Town, name: str, sounds: Mapping[str, Sound], patience: float = 60.0) -> Agent:
    """The agent's phone rings, and is answered."""
    call = await town.desk.rung(name, patience)
    await call.answer()
    return Agent(town, name, call, sounds)


async def calls(
    town: Town, name: str, number: str, sounds: Mapping[str, Sound], headers: Mapping[str, str] | None = None
) -> Agent:
    """The agent calls a number from the same phone."""
    return Agent(town, name, await town.desk.calls_as(name, number, headers=headers), sounds)
