"""`ivr agents`: who of our own people is on the telephone, and what is attached to their next transfer.

Law: everything is asked of the process that takes calls, through its control socket.
"""

import json
from collections.abc import Mapping
from typing import Any

from ivr.config import Settings
from ivr.domain.errors import BadInput
from ivr.web.control import ask


def agents(settings: Settings) -> list[dict[str, Any]]:
    """Every agent and the state of their phone. Raises Unusable when no process can be asked."""
    found: list[dict[str, Any]] = ask(settings.storage, "GET", "/api/agents")["agents"]
    return found


def queues(settings: Settings) -> list[dict[str, Any]]:
    """Every queue, who takes its calls and how long each caller has waited. Raises Unusable."""
    found: list[dict[str, Any]] = ask(settings.storage, "GET", "/api/queues")["queues"]
    return found


def attach(settings: Settings, agent: str, values: Mapping[str, str]) -> None:
    """The next caller whom this agent sends to one of our numbers brings these values along. Raises BadInput."""
    ask(settings.storage, "POST", f"/api/agents/{_name(agent)}/attach", values)


def assist(settings: Settings, agent: str, number: str | None, values: Mapping[str, str]) -> str:
    """Begin a flow with the caller whom the agent is talking to; returns the call. Raises BadInput and Unusable."""
    body = {**values, **({"number": number} if number else {})}
    return str(ask(settings.storage, "POST", f"/api/agents/{_name(agent)}/assist", body)["call"])


def shown(settings: Settings, agent: str) -> str:
    """How far the caller is whom the agent helps, as JSON."""
    return json.dumps(ask(settings.storage, "GET", f"/api/agents/{_name(agent)}/call"), ensure_ascii=False)


def in_words(queue: Mapping[str, Any]) -> str:
    """One line of `ivr agents queues`."""
    agents = ", ".join(queue["agents"]) or "nobody"
    waits = queue["waits"]
    return f"{queue['name']}  {agents}; {len(waits)} waiting" + (f", up to {max(waits)} s" if waits else "")


def read_values(pairs: list[str]) -> dict[str, str]:
    """`invoice_id=65843148` …. Raises BadInput."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInput("a value is written name=value")
        values[name] = value
    return values


def _name(agent: str) -> str:
    if not agent or not all(c.isascii() and (c.isalnum() or c == "-") for c in agent):
        raise BadInput("an agent's name is letters, digits and -")
    return agent
