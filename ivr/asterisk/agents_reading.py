"""`agents` and `queues` of the configuration: our own people's phones, and who takes calls for whom.

Law: what Asterisk's configuration could not say is a fault with its place, found when the configuration is read.
"""

from collections.abc import Callable, Collection
from typing import Final

from ivr.asterisk.render.agents import GENERAL, queue_of
from ivr.asterisk.render.modules import CODECS
from ivr.asterisk.settings import AGENTS_TRUNK, Agent, Queue, Strategy
from ivr.domain.digits import is_digits
from ivr.domain.reading import Fields, did_you_mean
from ivr.domain.secret import Secret

MOST_NUMBER_DIGITS: Final = 15


def read_agents(
    fields: Fields,
    credential: Callable[[Fields, str], Secret],
    taken: Collection[str] = (),
    *,
    can_silence: bool = True,
) -> tuple[Agent, ...]:
    """`agents: {sara: {password: {env: NAME}, number: "101"}}`. `credential` reads one field that holds a secret.

    `taken`: the trunks' names and user names. `can_silence`: whether recordings can be made silent.
    """
    agents: list[Agent] = []
    for name, key, node in fields.names():
        one = Fields(fields.source, node, f"agent '{name}'")
        number = one.text("number", "")
        if number and not (is_digits(number) and len(number) <= MOST_NUMBER_DIGITS):
            one.blame("'number' must be digits, at which colleagues dial this phone", "number")
        if number and number in (agent.number for agent in agents):
            one.blame(f"another agent has the number {number} already", "number")
        usual = Agent(name, Secret("x"))
        codecs = one.texts("codecs", required=False)
        for codec, place in codecs:
            if codec not in CODECS:
                fields.source.blame(place, f"'{codec}' is none of {', '.join(CODECS)}{did_you_mean(codec, CODECS)}")
        listed = tuple(codec for codec, _ in codecs) or usual.codecs
        record = _record(one, can_silence)
        agents.append(Agent(name, credential(one, "password"), number, listed, record))
        one.done()
        if not _is_name(name) or name == AGENTS_TRUNK:
            fields.source.blame(
                key, f"'{name}' cannot be an agent's name: letters a-z, digits and - only, not {AGENTS_TRUNK}"
            )
        elif name in taken:
            fields.source.blame(key, f"'{name}' cannot be an agent's name: it is a trunk's, or a trunk's user name")
    return tuple(agents)


def read_queues(fields: Fields, agents: tuple[Agent, ...], *, can_silence: bool = True) -> tuple[Queue, ...]:
    """`queues: {sales: {agents: [sara], strategy: ring_all, ring_for: 20s, most_waiting: 10}}`."""
    queues = []
    known = [agent.name for agent in agents]
    for name, key, node in fields.names():
        one = Fields(fields.source, node, f"queue '{name}'")
        members = one.texts("agents")
        for member, place in members:
            if member not in known:
                fields.source.blame(place, f"there is no agent '{member}'{did_you_mean(member, known)}")
        usual = Queue(name, ())
        queues.append(
            Queue(
                name=name,
                agents=tuple(member for member, _ in members),
                strategy=Strategy(one.one_of("strategy", [way.value for way in Strategy], usual.strategy.value)),
                ring_seconds=round(one.seconds("ring_for", usual.ring_seconds, least=2, most=300)),
                most_waiting=one.whole("most_waiting", usual.most_waiting, most=1000),
                record=_record(one, can_silence),
            )
        )
        one.done()
        if not _is_name(name) or name.startswith(queue_of("")) or name == GENERAL:
            fields.source.blame(
                key,
                f"'{name}' cannot be a queue's name: letters a-z, digits and - only, not {queue_of('…')} or {GENERAL}",
            )
    return tuple(queues)


def _record(fields: Fields, can_silence: bool) -> bool:
    record = fields.truth("record", False)
    if record and not can_silence:
        fields.blame(
            "'record' needs 'asterisk: {ami: …}': without it a recording cannot be silenced while a card is keyed",
            "record",
        )
    return record


def _is_name(text: str) -> bool:
    return (
        bool(text)
        and text.isascii()
        and text[0].isalpha()
        and all(c.islower() or c.isdigit() or c == "-" for c in text)
    )
