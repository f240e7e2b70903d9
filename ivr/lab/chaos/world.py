"""What every process under trial is made with: the shipped flows and our own few, and clients of the sandbox."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from ivr.domain.secret import Secret
from ivr.flow.loader import load_dialplan
from ivr.flow.model import DialledNumber, Dialplan, Flow, World
from ivr.flow.steps.inquire import InquireStep
from ivr.lab.chaos.scenarios import SCENARIOS, Scenario
from ivr.lab.town import HOUSE
from ivr.payments.port import Provider
from ivr.prompts.catalogue import Catalogue
from ivr.providers import paystar_mellat, paystar_saman, pod, pod_operations, web_gateway
from ivr.providers.pod_settings import PodSettings
from ivr.runtime.http_client import HttpSettings
from ivr.sandbox.pod_books import PodAccount
from ivr.sandbox.settings import DEMO_GATEWAY, DEMO_TERMINAL

PATIENCE: Final = 0.25
"""Seconds of silence after which a provider's answer is given up."""
NOWHERE: Final = "http://127.0.0.1:1/back"
"""Where payers' browsers come back to; nobody listens."""

LOOKS_EVERY: Final = 0.1
"""Seconds between two looks of a caller who waits for the result of a link."""
NO_MONEY: Final = ("nothing was charged", "no money was taken", "cancelled on the page")
"""Words of English prompts that say so."""

OPERATIONS: Final = {
    "paystar": paystar_saman.OPERATIONS,
    "mellat": paystar_mellat.OPERATIONS,
    "pod": pod_operations.OPERATIONS,
    "web": web_gateway.OPERATIONS,
}
"""The providers, by the names that the flows have for them."""


def dialplan() -> Dialplan:
    """Each scenario's flow under the number that is its name's place in the list."""
    catalogue = Catalogue.load(HOUSE / "prompts")
    world = World(
        prompts={language: catalogue.names(language) for language in catalogue.languages},
        characters={language: catalogue.lengths(language) for language in catalogue.languages},
        trunks=frozenset({"public", "bank", "paystar", "merchant"}),
        providers=OPERATIONS,
        notices=frozenset({"shop", "sms"}),
        agents=frozenset({"sara"}),
        queues=frozenset({"sales"}),
    )
    flows = dict(load_dialplan(HOUSE / "dialplan", world).flows)
    for file in sorted((Path(__file__).parent / "flows").glob("*.yaml")):
        flows |= load_dialplan(file, world).flows
    numbers = [DialledNumber(number_of(one), one.flow, "fa", one.trunk, one.settings) for one in SCENARIOS]
    return Dialplan({name: _hurried(flow) for name, flow in flows.items()}, numbers, version="chaos")


def _hurried(flow: Flow) -> Flow:
    """The same flow for callers who have no minutes to wait."""
    steps = {
        name: replace(step, kind=replace(step.kind, every=LOOKS_EVERY)) if isinstance(step.kind, InquireStep) else step
        for name, step in flow.steps.items()
    }
    return replace(flow, steps=steps)


@cache
def nothing_charged() -> frozenset[str]:
    """The prompts that tell a caller that no money was taken: by their words, and that a bank says no."""
    catalogue = Catalogue.load(HOUSE / "prompts")
    names = catalogue.names("en")
    says = {one for one in names if any(words in catalogue.text("en", one).lower() for words in NO_MONEY)}
    declines = {one for one in names if one.startswith("decline/")} - {"decline/duplicate"}
    return frozenset(says | declines | {"card/another"})


def number_of(scenario: Scenario) -> str:
    """What is dialled."""
    return f"{1000 + SCENARIOS.index(scenario)}"


def clients(urls: Mapping[str, str], clock: Callable[[], float]) -> Mapping[str, Provider]:
    """Real clients of the sandbox; `urls` by the sandbox's names of its servers."""

    def http(name: str) -> HttpSettings:
        return HttpSettings(
            urls[name],
            connect_seconds=PATIENCE,
            read_seconds=PATIENCE,
            pool_seconds=PATIENCE,
            total_seconds=2 * PATIENCE,
        )

    account = PodAccount()
    return {
        "paystar": paystar_saman.PaystarSaman(
            paystar_saman.PaystarSamanSettings(
                http("paystar"), DEMO_GATEWAY.sequence, "paystar", Secret(DEMO_GATEWAY.trunk_id)
            )
        ),
        "mellat": paystar_mellat.PaystarMellat(
            paystar_mellat.PaystarMellatSettings(http("mellat"), DEMO_GATEWAY.sequence, "mellat")
        ),
        "pod": pod.Pod(
            PodSettings(
                http("pod"),
                account.token,
                account.api_key,
                pay_host=urls["pod"],
                redirect_uri=NOWHERE,
                call_uri=NOWHERE,
            ),
            clock=clock,
        ),
        "web": web_gateway.WebGateway(
            web_gateway.WebGatewaySettings(http("web_gateway"), DEMO_TERMINAL.api_key, NOWHERE, "web")
        ),
    }


SECRETS: Final = (
    DEMO_GATEWAY.sequence.reveal(),
    DEMO_GATEWAY.trunk_id,
    DEMO_TERMINAL.api_key.reveal(),
    PodAccount().token.reveal(),
    PodAccount().api_key.reveal(),
)
"""Credentials that must not be found in anything that is left."""
