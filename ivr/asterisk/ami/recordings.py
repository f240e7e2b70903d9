"""Recordings of a call (MixMonitor) that must be silent for a while, whoever started them and whenever.

Law: a channel that is to be silent is remembered before anything is sent, so a recording that begins meanwhile, or a
connection that was lost, is silenced too. What cannot be silenced for certain is an error: nothing secret may be keyed.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from ivr.asterisk.ami.actions import mute_recording
from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.ami.errors import AmiDisconnected, AmiError
from ivr.asterisk.ami.events import AmiEvent, Hangup, MixMonitorStart
from ivr.domain.errors import Unusable

MOST_SILENT: Final = 10_000
"""Channels at once; more is a leak of ours."""

NOT_RECORDED: Final = frozenset({"No such channel", "Cannot set mute flag"})
"""Asterisk's words for a channel that is gone, and for one that nothing records. Any other refusal is no silence."""

log = structlog.get_logger("ivr.recordings")


class Recordings:
    """Keeps the recordings of some channels silent."""

    def __init__(self, client: AmiClient) -> None:
        self._client = client
        self._silent: set[str] = set()

    async def silence(self, channels: Sequence[str], on: bool) -> None:
        """From now on (or no longer). Raises Unusable when Asterisk cannot be asked for silence."""
        if not on:
            self._silent.difference_update(channels)
        elif len(self._silent) + len(channels) <= MOST_SILENT:
            self._silent.update(channels)
        else:
            raise Unusable(f"more than {MOST_SILENT} recordings would have to be silent")
        for channel in channels:
            try:
                await self._client.send(mute_recording(channel, on))
            except (AmiError, AmiDisconnected) as exc:
                if isinstance(exc, AmiError) and exc.message in NOT_RECORDED:
                    continue
                if on:
                    raise Unusable(f"recordings cannot be silenced: {exc}") from None
                log.warning("recording_stays_silent", error=str(exc))

    def on_event(self, event: AmiEvent) -> None:
        """A recording has begun, or a channel is no more."""
        if isinstance(event, MixMonitorStart) and event.channel in self._silent:
            self._mute(event.channel)
        elif isinstance(event, Hangup):
            self._silent.discard(event.channel)

    def on_connected(self) -> None:
        """What began in the gap."""
        for channel in sorted(self._silent):
            self._mute(channel)

    def _mute(self, channel: str) -> None:
        self._client.post(mute_recording(channel, True), lambda _: None)
