"""A real calling phone: an Asterisk of its own that dials, keys digits, and hands over every sound it hears.

Law: what the phone says of a call comes from its own SIP and RTP alone. It knows nothing of the application under test.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriError
from ivr.asterisk.ari.events import CallEvent, ChannelDestroyed, ChannelDtmfReceived, Dial, StasisEnd, StasisStart
from ivr.asterisk.settings import Ari
from ivr.domain.errors import Unusable
from ivr.domain.secret import MASK
from ivr.lab.ear import Ear
from ivr.lab.hearing import Sound

QUIET: Final = 0.4
"""Seconds without a packet, and what was being said is over. Longer than the gap between two prompts in a row."""
KEY_MS: Final = 80
BETWEEN_KEYS_MS: Final = 60
STOP_SECONDS: Final = 10.0
_ROWS: Final = ("123A", "456B", "789C", "*0#D")
LOW: Final = {key: tone for keys, tone in zip(_ROWS, (697, 770, 852, 941), strict=True) for key in keys}
HIGH: Final = {row[at]: tone for at, tone in enumerate((1209, 1336, 1477, 1633)) for row in _ROWS}
"""The two tones of a key, in hertz."""
EAR: Final = "ear-"
"""Begins the name of the channel that leads to a call's ear."""


class CallFailed(Unusable):
    """The call was not answered; `cause` is Q.850's number, `sip` the SIP status (0 when not known)."""

    def __init__(self, cause: int, sip: int) -> None:
        super().__init__(f"the call was not answered: cause {cause}, SIP {sip}")
        self.cause = cause
        self.sip = sip


class Phone:
    """One phone with as many lines as it needs."""

    def __init__(self, ari: Ari, address: str, recordings: Path) -> None:
        """`address`: where it may listen for RTP; `recordings`: a directory for what it heard."""
        self._address = address
        self._recordings = recordings
        self._calls: dict[str, PhoneCall] = {}
        self._ended: list[PhoneCall] = []
        self._ids = itertools.count(1)
        self._ringing: dict[str, asyncio.Queue[PhoneCall]] = {}
        """Calls that came in, by the user name that was called."""
        self._client = AriClient(ari, on_event=self._on_event, on_connected=lambda: None, on_gap=lambda: None)

    async def start(self) -> None:
        """Connect to the phone's Asterisk."""
        await self._client.start()

    async def stop(self) -> None:
        """Hang up what is left."""
        for call in list(self._calls.values()):
            await call.hang_up()
            await call.ended(STOP_SECONDS)
        for call in self._ended:
            await call.taken_down()
        await self._client.close()

    async def call(
        self,
        number: str,
        *,
        trunk: str = "merchant",
        caller_number: str | None = "09123456789",
        caller_name: str = "",
        headers: Mapping[str, str] | None = None,
        answer_timeout: float = 30.0,
    ) -> "PhoneCall":
        """Dial by a trunk and return once answered. Raises CallFailed. `caller_number` None: withheld."""
        call = await self.dial(
            number,
            trunk=trunk,
            caller_number=caller_number,
            caller_name=caller_name,
            headers=headers,
            answer_timeout=answer_timeout,
        )
        await call.answered()
        return call

    async def dial(
        self,
        number: str,
        *,
        trunk: str = "merchant",
        caller_number: str | None = "09123456789",
        caller_name: str = "",
        headers: Mapping[str, str] | None = None,
        answer_timeout: float = 30.0,
    ) -> "PhoneCall":
        """Dial by a trunk and return at once; `PhoneCall.answered` must follow."""
        call = PhoneCall(self._client, f"phone{os.getpid()}-{next(self._ids)}", Ear(self._address), self._recordings)
        self._calls[call.id] = call
        await call.prepare()
        variables = {f"PJSIP_HEADER(add,{name})": value for name, value in (headers or {}).items()}
        await self._client.request(
            "POST",
            f"/channels/{call.id}",
            body={
                "endpoint": f"PJSIP/{number}@{trunk}",
                "app": self._client.application,
                "appArgs": call.id,
                "callerId": f'"{caller_name}" <{caller_number}>' if caller_number else "",
                "timeout": int(answer_timeout),
                "formats": "alaw",
                "variables": variables,
            },
        )
        return call

    async def rung(self, user: str, timeout: float = 30.0) -> "PhoneCall":
        """The next call that comes in for this user name; it rings until `PhoneCall.answer`. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return await self._came_in(user).get()

    def _came_in(self, user: str) -> "asyncio.Queue[PhoneCall]":
        return self._ringing.setdefault(user, asyncio.Queue())

    def _on_event(self, event: CallEvent) -> None:
        channel = event.peer if isinstance(event, Dial) else getattr(event, "channel", None)
        call = self._calls.get(channel.id.removeprefix(EAR)) if channel is not None else None
        if call is None and isinstance(event, StasisStart) and event.channel.state == "Ring":
            call = PhoneCall(self._client, event.channel.id, Ear(self._address), self._recordings, came_in=True)
            self._calls[call.id] = call
            self._came_in(event.channel.dialplan.exten).put_nowait(call)
            return
        if channel is None or call is None:
            return
        if channel.id.startswith(EAR):
            if isinstance(event, StasisStart):
                call.ear_ready.set()
            return
        call.on_event(event)
        if call.over:
            del self._calls[call.id]
            self._ended.append(call)


class PhoneCall:
    """One call of the phone, from its answer to its end."""

    def __init__(self, client: AriClient, name: str, ear: Ear, recordings: Path, *, came_in: bool = False) -> None:
        self.id = name
        self._came_in = came_in
        self.keyed: list[tuple[float, str]] = []
        """When (seconds since the answer) which keys were sent."""
        self.received: list[str] = []
        """Keys that the far side sent."""
        self.cause = 0
        self.sip = 0
        self._client = client
        self._ear = ear
        self._recordings = recordings
        self.ear_ready = asyncio.Event()
        self._rings = asyncio.Event()
        self._up = asyncio.Event()
        self._over = asyncio.Event()
        self._clearing: asyncio.Task[None] | None = None
        self._since = 0.0

    async def prepare(self) -> None:
        """The ear, and the bridge that leads to it: ready before the first sound can come."""
        self._ear.open()
        await self._client.request(
            "POST",
            "/channels/externalMedia",
            body={
                "channelId": f"{EAR}{self.id}",
                "app": self._client.application,
                "external_host": f"{self._ear.address}:{self._ear.port}",
                "format": "alaw",
            },
        )
        await self._client.request("POST", f"/bridges/bridge-{self.id}", body={"type": "mixing"})
        await self.ear_ready.wait()
        await self._client.request("POST", f"/bridges/bridge-{self.id}/addChannel", body={"channel": f"{EAR}{self.id}"})

    async def answered(self) -> None:
        """Return once the far side picked up. Raises CallFailed."""
        waits = [asyncio.ensure_future(self._up.wait()), asyncio.ensure_future(self._over.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._up.is_set():
            await self.taken_down()
            raise CallFailed(self.cause, self.sip)
        self._ear.begin()
        try:
            await self._client.request("POST", f"/bridges/bridge-{self.id}/addChannel", body={"channel": self.id})
        except AriError:
            if not self._over.is_set():
                raise

    async def answer(self) -> None:
        """Pick up a call that came in."""
        await self.prepare()
        await self._client.request("POST", f"/channels/{self.id}/answer")
        self._up.set()
        await self.answered()

    async def send_to(self, uri: str) -> None:
        """Have the far side call somebody else instead of us: a blind transfer (REFER)."""
        await self._client.request("POST", f"/channels/{self.id}/redirect", {"endpoint": f"PJSIP/{uri}"})

    async def variable(self, name: str) -> str:
        """A channel variable of our own channel."""
        answer = await self._client.request("GET", f"/channels/{self.id}/variable", {"variable": name})
        return str(answer["value"])

    async def prompt_end(self, timeout: float = 40.0) -> None:
        """Return when the far side has said something since the last keys and is silent now, or the call is over."""
        async with asyncio.timeout(timeout):
            await self._or_over(self._ear.sound_after(self._since))
            await self._or_over(self._ear.silence(QUIET))
        self._since = self._ear.now

    async def prompt_begin(self, timeout: float = 40.0) -> None:
        """Return when the far side has said something since the last keys, or the call is over."""
        async with asyncio.timeout(timeout):
            await self._or_over(self._ear.sound_after(self._since))

    async def key(self, keys: str, *, secret: bool = False) -> None:
        """Press these keys (RFC 4733), one after the other. Returns when the last is released.

        Secret keys are not remembered, only that some were pressed.
        """
        seconds = len(keys) * (KEY_MS + BETWEEN_KEYS_MS) / 1000
        self.keyed.append((self._ear.now, MASK if secret else keys))
        try:
            await self._client.request(
                "POST", f"/channels/{self.id}/dtmf", body={"dtmf": keys, "duration": KEY_MS, "between": BETWEEN_KEYS_MS}
            )
        except AriError:
            if not self._over.is_set():
                raise
        await asyncio.sleep(seconds)
        self._since = self._ear.now

    async def sound_keys(self, keys: str) -> None:
        """Let these keys be heard as tones, as old telephones do besides sending them; returns when they are over."""
        on, off = KEY_MS + 40, BETWEEN_KEYS_MS
        tones = ",".join(f"{LOW[key]}+{HIGH[key]}/{on},0/{off}" for key in keys)
        name = f"{self.id}-tones-{time.monotonic_ns()}"
        await self._client.request("POST", f"/bridges/bridge-{self.id}/play/{name}", body={"media": [f"tone:{tones}"]})
        await asyncio.sleep(len(keys) * (on + off) / 1000)
        await self._client.request("DELETE", f"/playbacks/{name}")  # else it begins again

    async def hang_up(self) -> None:
        """Put the receiver down."""
        if not self._over.is_set():
            try:
                await self._client.request("DELETE", f"/channels/{self.id}")
            except AriError:
                return  # the far side was quicker

    async def ended(self, timeout: float = 90.0) -> Path:
        """Return the recording (WAV, 8 kHz, from answer to end) once the call is over. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            await self._over.wait()
        self._recordings.mkdir(parents=True, exist_ok=True)
        path = self._recordings / f"{self.id}.wav"
        await self.taken_down()
        if not path.exists():
            self._ear.write(path)
        return path

    async def taken_down(self) -> None:
        """Return once nothing is left of a call that is over."""
        if self._clearing is not None:
            await self._clearing

    def sound(self, after: float = 0.0) -> Sound:
        """What has been heard so far, from a moment on (seconds since the answer)."""
        return self._ear.sound(after)

    async def rings(self) -> None:
        """Return when the far side says that it rings, or the call is over."""
        await self._or_over(self._rings.wait())

    @property
    def now(self) -> float:
        """Seconds since the answer."""
        return self._ear.now

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._over.is_set()

    def on_event(self, event: CallEvent) -> None:
        """From the phone's Asterisk."""
        match event:
            case ChannelDtmfReceived(_, digit):
                self.received.append(digit)
            case Dial(_, "RINGING"):
                self._rings.set()
            case StasisStart():
                self._up.set()
            case ChannelDestroyed(_, cause, tech_cause):
                self.cause, self.sip = cause, tech_cause
                self._end()
            case StasisEnd() if self._came_in:  # Asterisk says nothing more of a channel that it did not make for us
                self._end()
            case _:
                pass

    def _end(self) -> None:
        self._ear.close()
        self._clearing = asyncio.create_task(self._take_down())
        self._over.set()

    async def _or_over(self, what: Coroutine[Any, Any, object]) -> None:
        wanted = asyncio.ensure_future(what)
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({wanted, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            over.cancel()

    async def _take_down(self) -> None:
        for path in (f"/bridges/bridge-{self.id}", f"/channels/{EAR}{self.id}"):
            try:
                await self._client.request("DELETE", path)
            except AriError:
                continue
