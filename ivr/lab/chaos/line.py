"""The telephone as a process under trial sees it: `Voice` on a pipe, behind which the caller outlives the process.

Law: one message a line, JSON lists in both directions. What a process has written before it died is heard, as Asterisk
carries out what came to it.
"""

import asyncio
import json
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import CallerHungUp, Digit, Event, LegAnswered, LegEnded, PromptFinished
from ivr.lab.chaos.steps import Steps
from ivr.runtime.ports import CallInfo, Emit, LegOrder, RecordOrder, TransferOrder

Words = list[Any]


def message(*words: object) -> bytes:
    """As it goes through the pipe."""
    return json.dumps(words).encode() + b"\n"


class Wire:
    """The pipe, in a process's event loop. `take` gets each message."""

    def __init__(self, end: socket.socket, take: Callable[[Words], None]) -> None:
        self._end = end
        self._take = take
        self._rest = b""
        asyncio.get_running_loop().add_reader(end.fileno(), self._read)

    def say(self, *words: object) -> None:
        """Tell the telephones. Blocks, shortly, rather than lose a word."""
        self._end.sendall(message(*words))

    def close(self) -> None:
        """Listen no more."""
        asyncio.get_running_loop().remove_reader(self._end.fileno())

    def _read(self) -> None:
        *lines, self._rest = (self._rest + self._end.recv(65536)).split(b"\n")
        for line in lines:
            self._take(json.loads(line))


class Line:
    """One caller; fulfils `ivr.runtime.ports.Voice`."""

    def __init__(self, info: CallInfo, headers: Mapping[str, str], wire: Wire, steps: Steps) -> None:
        self.info = info
        self.emit: Emit = lambda event: None
        self._headers = headers
        self._wire = wire
        self._steps = steps

    def hears(self, words: Words) -> None:
        """What the caller or the bank did, as an event of the call."""
        for event in _events(words):
            self.emit(event)

    def answer(self) -> None:
        self._say("answer")

    def play(self, token: int, media: Sequence[str]) -> None:
        self._steps.at("prompt", f"before saying {media[0] if media else 'nothing'}")
        self._say("play", token, list(media))
        self._steps.at("prompt", f"after saying {media[0] if media else 'nothing'}")

    def stop(self, token: int) -> None:
        self._say("stop", token)

    def dial(self, token: int, leg: LegOrder) -> None:
        self._steps.at("dial", f"before dialling {leg.trunk}")
        self._say("dial", token, leg.trunk, leg.caller_id, dict(leg.headers))
        self._steps.at("dial", f"after dialling {leg.trunk}")

    def transfer(self, token: int, order: TransferOrder) -> None:
        raise Unusable("nobody is here to talk to")

    def record(self, token: int, order: RecordOrder) -> None:
        raise Unusable("nothing is recorded here")

    def stop_recording(self, token: int) -> None: ...

    async def headers(self, names: Sequence[str]) -> Mapping[str, str | None]:
        return {name: self._headers.get(name) for name in names}

    async def guard(self, privacy: Privacy) -> None: ...

    async def release(self) -> None: ...

    def apologise(self) -> None:
        self._say("hang_up", "apologised")

    def hang_up(self, cause: HangupCause) -> None:
        self._say("hang_up", cause.name)

    def _say(self, what: str, *more: object) -> None:
        self._wire.say(what, self.info.call_id, *more)


def _events(words: Words) -> list[Event]:
    match words:
        case ["finished", token]:
            return [PromptFinished(token)]
        case ["keys", keys]:
            return [Digit(key) for key in keys]
        case ["leg_answered", token]:
            return [LegAnswered(token)]
        case ["leg_ended", token, result]:
            return [LegEnded(token, LegResult(result))]
        case ["hung_up"]:
            return [CallerHungUp()]
    raise ValueError(f"no such message: {words[:1]}")
