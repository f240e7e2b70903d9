"""Where calls come in by AGI(): each connection is one caller.

Law: a caller whom we cannot take goes back to the dialplan, which speaks to them. There is nothing to take over after a
crash: Asterisk notices the end of the connection at once, the dialplan waits with the caller (or lets a leg come to its
end first), and both come again under the same channel id.
"""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from ivr.asterisk.agi.connection import Connection, Speaker
from ivr.asterisk.agi.server import AgiServer
from ivr.asterisk.agi.voice import AgiVoice
from ivr.asterisk.settings import Agi
from ivr.runtime.ports import CallInfo, Emit

OnCall = Callable[[AgiVoice], Emit]
"""A new caller, not answered yet. Returns where the call's events go; called between two events, so quickly."""

LONGEST_CALL: Final = 1800.0

log = structlog.get_logger("ivr.agi")


class AgiSwitch:
    """The callers of one FastAGI server: `start`, …, `close`."""

    def __init__(self, settings: Agi, on_call: OnCall, longest_call: float = LONGEST_CALL) -> None:
        """`longest_call`: seconds after which Asterisk, too, ends a call."""
        self.server = AgiServer(settings, self._on_request)
        self._on_call = on_call
        self._longest_call = longest_call
        self._voices: dict[str, AgiVoice] = {}

    @property
    def calls(self) -> Mapping[str, AgiVoice]:
        """The living callers by call id."""
        return self._voices

    async def start(self) -> None:
        """Listen; calls come in from here on. Raises Unusable, saying where."""
        await self.server.start()
        log.info("agi_listening", where="{}:{}".format(*self.server.address))

    async def close(self) -> None:
        """Let go of Asterisk. Calls stay up, in the dialplan."""
        await self.server.close()

    def _on_request(self, connection: Connection, info: CallInfo) -> Speaker | None:
        if info.call_id in self._voices:
            log.error("call_not_taken", call_id=info.call_id, why="this channel is in a call already")
            return None
        voice = AgiVoice(connection, info, self._left, self._longest_call)
        self._voices[info.call_id] = voice
        try:
            voice.attach(self._on_call(voice))
        except Exception:
            log.exception("call_not_taken", call_id=info.call_id, why="broke")
            del self._voices[info.call_id]
            return None
        return voice

    def _left(self, call_id: str) -> None:
        self._voices.pop(call_id, None)
