"""One living caller over AGI.

Law: CallerHungUp is emitted exactly once and last. Any key breaks a playback off for a moment: what the flow does not
stop then goes on from the same sample. Keys are not heard while the caller talks to a leg: they are for the far side.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ivr.asterisk.agi.commands import answer, end_after, go_to, hang_up, play, read
from ivr.asterisk.agi.connection import Connection
from ivr.asterisk.agi.dialogue import Dialogue, Order
from ivr.asterisk.agi.leg import DialledLeg
from ivr.asterisk.agi.wire import Reply
from ivr.asterisk.checks import check_header_name, check_order
from ivr.domain.errors import BadInput
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import CallerHungUp, Digit, Event, LegEnded, PromptFinished, RecordingFinished
from ivr.runtime.call import LONGEST_OVERTIME
from ivr.runtime.ports import CallInfo, Emit, LegOrder, RecordOrder, TransferOrder

AGAIN_LABEL: Final = "again"
"""Where in our extensions a caller waits for the next process."""
SORRY_LABEL: Final = "sorry"
"""Where they are told to try later."""
HANGUP_SECONDS: Final = 10.0
"""For a hangup to take place; then the connection is closed, and the dialplan goes on with whoever is still there."""
LAST_WORDS_SECONDS: Final = 5.0
"""For Asterisk to say how a leg ended whose caller is gone."""
LIFE_MARGIN: Final = LONGEST_OVERTIME + 5.0
"""Seconds after the longest call at which Asterisk hangs up by itself, in the middle of a leg too: by then the last
words have been said.
"""


class AgiVoice:
    """Fulfils `ivr.runtime.ports.Voice`, and speaks on its connection. Made by `AgiSwitch`."""

    def __init__(
        self, connection: Connection, info: CallInfo, on_gone: Callable[[str], None], longest_call: float
    ) -> None:
        self.info = info
        self._connection = connection
        self._on_gone = on_gone
        self._dialogue = Dialogue(connection, self._on_key, self.on_hangup)
        self._emit: Emit = _unheard
        self._gone = False
        self._hung_up = False
        self._playing: dict[int, _Playing] = {}
        self._leg: DialledLeg | None = None
        self._longest_call = longest_call
        self._last: asyncio.TimerHandle | None = None
        """Closes a connection that we want to end."""
        self._is_last = False
        self._dialogue.give(Order(end_after(longest_call + LIFE_MARGIN), _whatever))

    def attach(self, emit: Emit) -> None:
        """Where this call's flow events go."""
        self._emit = emit

    # ---- what the runtime asks for

    def answer(self) -> None:
        """Pick up."""
        self._dialogue.give(Order(answer(), _whatever))

    def play(self, token: int, media: Sequence[str]) -> None:
        """Play these files in a row, as Asterisk names them: without their suffix."""
        if self._gone:
            return
        if not media:
            self._emit(PromptFinished(token))
            return
        playing = self._playing[token] = _Playing(token, media)
        self._play_on(playing)

    def stop(self, token: int) -> None:
        """Stop that playback now; one that is over already needs nothing."""
        playing = self._playing.pop(token, None)
        if playing is not None and playing.order is not None:
            self._dialogue.forget(playing.order)

    def dial(self, token: int, leg: LegOrder) -> None:
        """Dial and, once answered, connect both. Raises BadInput, having sent nothing.

        LegEnded follows even when the caller is gone already: somebody's payment hangs on it.
        """
        check_order(leg)
        if leg.leg_id != f"{self.info.call_id}.leg{token}":
            raise BadInput(f"the leg's id must be <call id>.leg<token>, not {leg.leg_id!r}")
        if self._leg is not None and not self._leg.over:
            raise BadInput(f"call {self.info.call_id} has a leg already")
        if self._gone or self._hung_up:
            self._emit(LegEnded(token, LegResult.NO_ANSWER))
            return
        self._leg = DialledLeg(self._dialogue, self.info.call_id, token, self._say, self._leg_over)
        self._leg.dial(leg)

    def transfer(self, token: int, order: TransferOrder) -> None:
        """A site with AGI() only has no agents: the step leaves by its exit for nobody there."""
        self._say(LegEnded(token, LegResult.UNREACHABLE))

    def record(self, token: int, order: RecordOrder) -> None:
        """A site with AGI() only keeps no messages: the step leaves by its exit for that."""
        self._say(RecordingFinished(token, "", talked=False, failed=True))

    def stop_recording(self, token: int) -> None:
        """There is none."""

    async def headers(self, names: Sequence[str]) -> Mapping[str, str | None]:
        """The SIP headers of the caller's INVITE. Raises BadInput for a name that cannot be one."""
        for name in names:
            check_header_name(name)
        replies = await asyncio.gather(*(self._ask(read(f"PJSIP_HEADER(read,{name})")) for name in names))
        return {name: reply.text if reply else None for name, reply in zip(names, replies, strict=True)}

    async def guard(self, privacy: Privacy) -> None:
        """Nobody else is on the line of a site without agents."""

    async def release(self) -> None:
        """Give the caller back to the dialplan, which waits with them for the next process."""
        if self._gone:
            return
        self._dialogue.forget_all()
        self._dialogue.listens = False
        await self._ask(go_to(AGAIN_LABEL))
        self._connection.close()

    def apologise(self) -> None:
        """The dialplan says that it cannot be done now."""
        if not self._gone:
            self._dialogue.forget_all()
            self._dialogue.listens = False
            self._dialogue.give(Order(go_to(SORRY_LABEL), lambda _: self._connection.close()))

    def hang_up(self, cause: HangupCause) -> None:
        """End the call. During Dial() Asterisk does not listen: then the call ends with its leg, or when its time is
        over.
        """
        if self._gone:
            return
        self._dialogue.forget_all()
        self._dialogue.listens = False
        self._dialogue.give(Order(hang_up(cause), self._hung))
        self._close_after(HANGUP_SECONDS)

    # ---- what Asterisk says

    def on_reply(self, reply: Reply) -> None:
        """To the oldest command without one."""
        self._dialogue.on_reply(reply)

    def on_hangup(self) -> None:
        """The caller is gone; how their leg ended can still be asked."""
        if self._hung_up:
            return
        self._hung_up = True
        self._dialogue.listens = False
        self._playing.clear()
        if self._leg is not None:
            self._leg.give_up()
        if self._leg is None or self._leg.over:
            self._connection.close()
            self.on_closed()
        else:
            self._connection.expect(LAST_WORDS_SECONDS)

    def on_closed(self) -> None:
        """The connection is no more."""
        if self._gone:
            return
        self._hung_up = True
        self._playing.clear()
        self._dialogue.close()
        self._gone = True
        if self._last is not None:
            self._last.cancel()
        self._on_gone(self.info.call_id)
        self._emit(CallerHungUp())

    # ---- helpers

    def _close_after(self, seconds: float) -> None:
        if self._last is not None:
            self._last.cancel()
        self._last = asyncio.get_running_loop().call_later(seconds, self._close)

    def _close(self) -> None:
        """Asterisk did not hang up. A leg that goes on is let come to its end, for which there is a limit."""
        if self._leg is not None and self._leg.dialled and not self._leg.over and not self._is_last:
            self._is_last = True
            self._close_after(self._longest_call + LIFE_MARGIN)
        else:
            self._connection.close()

    def _on_key(self, key: str) -> None:
        if not self._hung_up:
            self._say(Digit(key))

    def _play_on(self, playing: "_Playing", *, first: bool = False) -> None:
        text = play(playing.media[playing.index], playing.offset)
        playing.order = Order(text, partial(self._played, playing), takes=None, stream=True)
        self._dialogue.give(playing.order, first=first)

    def _played(self, playing: "_Playing", reply: Reply | None) -> None:
        """A file is over, or broken off by a key, or by us (then there is no reply)."""
        playing.order = None
        if reply is None or self._hung_up:
            return
        if reply.key is not None:
            self._on_key(reply.key)
            playing.offset = reply.endpos or 0
        else:
            playing.failed = playing.failed or reply.code != _OK or reply.result < 0
            playing.index += 1
            playing.offset = 0
        if self._playing.get(playing.token) is not playing:
            return
        if playing.index < len(playing.media):
            self._play_on(playing, first=True)
        else:
            del self._playing[playing.token]
            self._say(PromptFinished(playing.token, failed=playing.failed))

    def _leg_over(self) -> None:
        if self._hung_up and not self._gone:
            self._connection.close()
            self.on_closed()

    def _hung(self, reply: Reply | None) -> None:
        if reply is not None:
            self.on_hangup()

    async def _ask(self, command: str) -> Reply | None:
        """None when the connection ended first."""
        answered: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()

        def tell(reply: Reply | None) -> None:
            if not answered.done():
                answered.set_result(reply)

        self._dialogue.give(Order(command, tell))
        return await answered

    def _say(self, event: Event) -> None:
        if not self._gone:
            self._emit(event)


class _Playing:
    """A playback whose end has not been told yet."""

    __slots__ = ("failed", "index", "media", "offset", "order", "token")

    def __init__(self, token: int, media: Sequence[str]) -> None:
        self.token = token
        self.media = media
        self.index = 0
        self.offset = 0
        """The sample from which the file goes on."""
        self.failed = False
        self.order: Order | None = None


_OK: Final = 200


def _whatever(reply: Reply | None) -> None:
    """Nothing depends on this reply: a caller who is gone is told of otherwise."""


def _unheard(event: Event) -> None:
    raise RuntimeError(f"{type(event).__name__} came before anybody was attached")
