"""Our own people's phones and queues: SIP endpoints, queues.conf, features.conf, and what agents may dial.

Law: an agent's phone registers by password, reaches our numbers and its colleagues and nothing else, and nobody but our
application and an agent reaches a queue. Whoever is sent to an agent comes back to our application when the agent hangs
up, and a caller whom an agent sends to one of our numbers arrives there as a new call on the same channel.
"""

from collections.abc import Iterator
from typing import Final

from ivr.asterisk.render.modules import codec_module
from ivr.asterisk.render.text import File, Section, name, number, path, secret, section
from ivr.asterisk.settings import AGENTS_TRUNK, AsteriskSettings, Queue, Strategy
from ivr.domain.errors import BadInput

AGENTS_CONTEXT: Final = f"from-{AGENTS_TRUNK}"
TRANSFER_CONTEXT: Final = "ivr-transfer"
"""Where our application sends a caller who is to talk to an agent: extension `s`."""

QUEUE: Final = "IVR_QUEUE"
TELL: Final = "IVR_TELL"
WAIT: Final = "IVR_WAIT"
TOKEN: Final = "IVR_TOKEN"  # noqa: S105 - a variable's name
"""Channel variables that say to whom (a queue's name), what the agent hears first (files with & between them), how long
the caller waits at most (seconds), and by which token the caller comes back."""
COMES: Final = "IVR_COMES"
"""How often agents have sent this caller to one of our numbers."""

BY: Final = "IVR_BY"
"""The channel of the agent who stays on the line with this caller."""
ASSIST_CONTEXT: Final = "ivr-assist"
"""Where a caller and the agent who helps them are moved to: our numbers, and `help<the caller's channel id>`."""
ASSIST_AGENT: Final = "help"
"""Begins a pattern, so none of its letters may be X, Z or N."""
ASSISTING: Final = "assisting"
"""Stands where a caller's trunk would, for an agent who stays on the line."""
ASSIST_EVENT: Final = "IvrAssist"
"""The user event that says that an agent wants to help the caller whom they are talking to."""
ASSIST_KEY: Final = "*7"
ASSIST_FEATURE: Final = "ivrassist"

RING_COLLEAGUE_SECONDS: Final = 30
PEOPLES_LANGUAGE: Final = "fa"
"""In which Asterisk itself speaks to agents, and to callers on hold."""

BLIND_TRANSFER: Final = "##"
ATTENDED_TRANSFER: Final = "*2"
"""What an agent keys, besides the transfer key of their phone."""

_STRATEGIES: Final = {
    Strategy.RING_ALL: "ringall",
    Strategy.LEAST_RECENT: "leastrecent",
    Strategy.FEWEST_CALLS: "fewestcalls",
    Strategy.ROUND_ROBIN: "rrmemory",
    Strategy.RANDOM: "random",
}

GENERAL: Final = "general"
"""The section of queues.conf that is no queue."""

_NOBODY: Final = "unavailable,invalid,unknown,paused"
"""A queue whose agents are all in one of these states is not waited in."""


def queue_of(agent: str) -> str:
    """The name of the queue that has this agent alone."""
    return f"agent-{agent}"


def sip_sections(settings: AsteriskSettings, media: str | None) -> Iterator[Section]:
    """An endpoint, its address and its password for each agent. `media`: the address that RTP is bound to."""
    for agent in settings.agents:
        label = name(agent.name, "an agent's name")
        if not agent.codecs:
            raise BadInput(f"agent {label}: no codec is listed")
        for codec in agent.codecs:
            codec_module(codec)
        yield section(
            label,
            type="auth",
            auth_type="userpass",
            username=label,
            password=secret(agent.password.reveal(), f"agent {label}: password"),
        )
        # One phone each: a new registration takes the place of the old one.
        yield section(label, type="aor", max_contacts=1, remove_existing=True, qualify_frequency=0)
        lines: dict[str, str | int | bool] = {
            "type": "endpoint",
            "context": AGENTS_CONTEXT,
            "transport": "transport-udp",
            "disallow": "all",
            "allow": ",".join(agent.codecs),
            "auth": label,
            "aors": label,
            "identify_by": "auth_username",
            "dtmf_mode": "rfc4733",
            "direct_media": False,  # keyed digits must pass through us
            "rtp_symmetric": True,
            "force_rport": True,
            "rewrite_contact": True,
            "allow_subscribe": False,
            "allow_transfer": True,
            "device_state_busy_at": 1,  # a queue rings nobody who is talking
            "callerid": f'"{label}" <{agent.number or label}>',
            "send_pai": False,
            "send_rpid": False,
        }
        if media is not None:
            lines |= {"media_address": media, "bind_rtp_to_media_address": True, "rtp_ipv6": ":" in media}
        yield section(label, **lines)


def queues_file(settings: AsteriskSettings) -> File:
    """queues.conf: the queues, and one for each agent alone."""
    own = tuple(Queue(queue_of(agent.name), (agent.name,), record=agent.record) for agent in settings.agents)
    lines = {"persistentmembers": "no", "autofill": "yes", "shared_lastcall": "yes", "log_membername_as_agent": "yes"}
    general = Section(GENERAL, (*lines.items(), ("monitor-type", "MixMonitor")))
    return File("queues.conf", (general, *(_queue(queue) for queue in (*own, *settings.queues))))


def features_file(settings: AsteriskSettings) -> File:
    """features.conf: the keys by which an agent transfers a caller from any phone."""
    if not settings.has_people:
        return File("features.conf")
    return File(
        "features.conf",
        (
            section(
                "general",
                transferdigittimeout=3,
                featuredigittimeout=1000,
                atxfernoanswertimeout=RING_COLLEAGUE_SECONDS,
                # With both of these an agent would be in one bridge with a caller who keys a card.
                atxferthreeway="",
                atxferswap="",
                transferannouncesound=_prompt(settings, "agent/transfer_to"),
                transferretrysound=_prompt(settings, "common/wrong_key"),
                transferinvalidsound=_prompt(settings, "agent/transfer_failed"),
                xferfailsound=_prompt(settings, "agent/transfer_failed"),
            ),
            section("featuremap", blindxfer=BLIND_TRANSFER, atxfer=ATTENDED_TRANSFER),
            Section("applicationmap", ((ASSIST_FEATURE, f"{ASSIST_KEY},self/callee,UserEvent,{ASSIST_EVENT}"),)),
        ),
    )


def music_file(settings: AsteriskSettings) -> File:
    """musiconhold.conf: what a caller hears whom an agent puts on hold."""
    if not settings.has_people:
        return File("musiconhold.conf")
    if settings.music:
        return File("musiconhold.conf", (section("default", mode="files", directory=path(settings.music, "music")),))
    entry = _prompt(settings, "common/please_wait")
    return File("musiconhold.conf", (section("default", mode="playlist", entry=entry),))


def _prompt(settings: AsteriskSettings, prompt: str) -> str:
    return path(f"{settings.sounds.rstrip('/')}/{PEOPLES_LANGUAGE}/{prompt}", "sounds")


def colleagues(settings: AsteriskSettings) -> Iterator[tuple[str, str]]:
    """Extensions by which agents call each other."""
    for agent in settings.agents:
        if agent.number:
            extension = number(agent.number, f"agent {agent.name}: number")
            yield "exten", f"{extension},1,Dial(PJSIP/{agent.name},{RING_COLLEAGUE_SECONDS},t)"
            yield "same", 'n,GotoIf($["${DIALSTATUS}" = "ANSWER"]?end)'
            yield "same", f"n,Playback({_prompt(settings, 'common/operator_unavailable')})"
            yield "same", "n(end),Hangup()"


def _queue(queue: Queue) -> Section:
    lines: list[tuple[str, str]] = [
        ("strategy", _STRATEGIES[queue.strategy]),
        ("timeout", str(queue.ring_seconds)),
        ("retry", "1"),
        ("maxlen", str(queue.most_waiting)),
        ("ringinuse", "no"),
        ("joinempty", _NOBODY),
        ("leavewhenempty", _NOBODY),
        ("announce-frequency", "0"),
        ("reportholdtime", "no"),
        *((("monitor-format", "wav"),) if queue.record else ()),
    ]
    lines += [("member", f"PJSIP/{agent},0,{agent},PJSIP/{agent}") for agent in queue.agents]
    return Section(name(queue.name, "a queue's name"), tuple(lines))


def check_names(settings: AsteriskSettings) -> None:
    """Raise BadInput for names that would stand for two things."""
    agents = [agent.name for agent in settings.agents]
    taken = {trunk.name for trunk in settings.trunks} | {t.username for t in settings.trunks if t.username}
    for trunk in settings.trunks:
        if trunk.name == AGENTS_TRUNK:
            raise BadInput(f"a trunk cannot be called {AGENTS_TRUNK}: that is where agents' calls come from")
    for label in agents:
        if label in taken:
            raise BadInput(f"{label} is both an agent and a trunk, or a trunk's username")
    for queue in settings.queues:
        if queue.name == GENERAL:
            raise BadInput(f"a queue cannot be called {GENERAL}: Asterisk calls the settings of all queues so")
        if queue.name.startswith(queue_of("")):
            raise BadInput(f"queue {queue.name}: names that begin with {queue_of('')} are agents' own queues")
        for label in queue.agents:
            if label not in agents:
                raise BadInput(f"queue {queue.name}: there is no agent {label}")
