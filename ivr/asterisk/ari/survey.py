"""What is up in Asterisk at this moment: the only truth after a gap or a crash."""

from dataclasses import dataclass

from ivr.asterisk.ari.arrival import helper_of
from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.events import Bridge, Channel, bridges, channels
from ivr.asterisk.ari.ids import leg_of
from ivr.asterisk.ari.requests import list_bridges, list_channels, look_at_application


@dataclass(frozen=True, slots=True)
class Survey:
    """Every channel and bridge by id."""

    application: str
    channels: dict[str, Channel]
    bridges: dict[str, Bridge]
    ours: frozenset[str] = frozenset()
    """The channels of which Asterisk tells our application."""

    def callers(self) -> dict[str, Channel]:
        """Callers who are in our application."""
        return {
            name: channel
            for name, channel in self.channels.items()
            if leg_of(name) is None and self.in_application(channel) and helper_of(channel) is None
        }

    def helpers(self) -> list[Channel]:
        """Agents who help callers."""
        return [one for one in self.channels.values() if self.in_application(one) and helper_of(one) is not None]

    def perhaps_moved(self) -> list[Channel]:
        """Callers whom an agent gave their own place in a call: Asterisk goes on naming what they were in before. And
        callers whom we only watch, while they talk to an agent.
        """
        return [
            channel
            for name, channel in self.channels.items()
            if name in self.ours and leg_of(name) is None and not self.in_application(channel)
        ]

    def legs(self, call_id: str) -> list[int]:
        """The tokens of this call's legs, ascending, those that still ring included."""
        found = (leg_of(name) for name in self.channels)
        return sorted(leg[1] for leg in found if leg is not None and leg[0] == call_id)

    def in_application(self, channel: Channel) -> bool:
        """Is it in Stasis with our application's name?"""
        return channel.dialplan.app_name == "Stasis" and channel.dialplan.app_data.split(",")[0] == self.application

    def joined(self, bridge: str, members: tuple[str, str]) -> bool:
        """Are both in that bridge?"""
        found = self.bridges.get(bridge)
        return found is not None and set(members) <= set(found.channels)


async def living_channels(client: AriClient) -> Survey:
    """Look. Raises AriDisconnected and AriError."""
    bridge_list = bridges(await client.send(list_bridges()))
    channel_list = channels(await client.send(list_channels()))
    ours = frozenset((await client.send(look_at_application(client.application)))["channel_ids"])
    return Survey(client.application, {c.id: c for c in channel_list}, {b.id: b for b in bridge_list}, ours)
