"""What a call brings along: keyed behind the number by an agent, attached for one by a program, or in SIP headers.

Law: only calls of our own people and of trusted trunks bring anything. What is not as the flow wants it is not taken,
and said in the log; the caller is then asked as if nothing had come.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from ivr.domain.errors import IvrError
from ivr.flow.model import Flow
from ivr.runtime.ports import CallInfo, Voice

KEPT_SECONDS: Final = 900.0
"""How long what was attached for an agent waits for that agent's next transfer."""
MOST_ATTACHED: Final = 10_000

_log = structlog.get_logger("ivr.brought")

Values = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class _Attached:
    agent: str
    values: Mapping[str, str]
    at: float


class Attachments:
    """What programs have attached for agents: the next caller whom the agent sends to one of our numbers gets it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, _Attached] = {}
        self._order: deque[_Attached] = deque()

    def __len__(self) -> int:
        """How many take up room, those that were replaced included."""
        return len(self._order)

    def attach(self, agent: str, values: Mapping[str, str]) -> None:
        """In the place of what was attached for this agent before; nothing when empty."""
        self._forget_old()
        self._kept.pop(agent, None)
        if values:
            attached = _Attached(agent, dict(values), self._clock())
            self._kept[agent] = attached
            self._order.append(attached)

    def take(self, agent: str) -> Mapping[str, str]:
        """What is attached for this agent; it is not there any more afterwards."""
        self._forget_old()
        attached = self._kept.pop(agent, None)
        return attached.values if attached is not None else {}

    def _forget_old(self) -> None:
        while self._order and (self._order[0].at + KEPT_SECONDS < self._clock() or len(self._order) > MOST_ATTACHED):
            old = self._order.popleft()
            if self._kept.get(old.agent) is old:
                del self._kept[old.agent]


def may_bring(info: CallInfo, flow: Flow, trusted_trunks: frozenset[str]) -> bool:
    """Whether this call may bring anything that its flow wants."""
    return bool(flow.brings) and (info.agent is not None or info.trunk in trusted_trunks)


async def brought(voice: Voice, flow: Flow, attachments: Attachments) -> Values:
    """What this call brings. What is keyed behind the number counts most, then what is attached, then headers."""
    info = voice.info
    said: dict[str, str] = {}
    headers = {name: want.header for name, want in flow.brings.items() if want.header}
    if headers:
        try:
            found = await voice.headers(list(dict.fromkeys(headers.values())))
        except IvrError as exc:
            _log.warning("headers_not_read", call_id=info.call_id, error=str(exc))
            found = {}
        came = {name: found.get(header) for name, header in headers.items()}
        said |= {name: text.strip() for name, text in came.items() if text is not None}
    if info.agent is not None:
        said |= {name: text for name, text in attachments.take(info.agent).items() if name in flow.brings}
    said |= dict(zip(flow.brings, info.behind, strict=False))
    values: dict[str, str | int] = {}
    for name, text in said.items():
        value = flow.brings[name].value(text)
        if value is None:
            _log.warning("brought_not_taken", call_id=info.call_id, name=name, agent=info.agent)
        else:
            values[name] = value
    return values
