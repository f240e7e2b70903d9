"""numbers.yaml -> which dialled number runs which flow, when, for how many callers, and what the others get.

Law: of two entries that could take one call, one is always named as the winner by the order of `Dialplan.number`;
where that order does not tell, it is a fault that names both places.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.dialled import MOST_DIGITS, in_common, is_number, is_pattern
from ivr.domain.digits import is_digits
from ivr.domain.legs import HangupCause
from ivr.domain.operations import Kind
from ivr.domain.reading import Fields, Source, did_you_mean, read_text
from ivr.flow.hours import Hours
from ivr.flow.hours_reading import read_hours
from ivr.flow.model import Detour, DialledNumber, Flow, Instead, Key, World

MOST_CALLS: Final = 100_000
"""As many as a process may be told to take."""

REFUSALS: Final[Mapping[str, HangupCause]] = {
    cause.name.lower(): cause for cause in (HangupCause.BUSY, HangupCause.REJECTED, HangupCause.UNAVAILABLE)
}
"""What the network may be told of a call that is not answered."""


AGENTS: Final = "agents"
"""The trunk that calls of our own people come from, and callers whom they sent."""

NOTHING: Final[Mapping[str, Kind]] = {}

AFTERWARDS: Final[Mapping[str, Kind]] = {"agent": Kind.TEXT, "outcome": Kind.TEXT}
"""What a flow of `afterwards` may take: who sent the caller, and what became of the payment."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an entry may refer to."""

    flows: Mapping[str, Flow]
    broken: set[str]
    """Flows that are there and could not be read: that is said elsewhere."""
    world: World
    hours: Mapping[str, Hours]


def read_numbers(
    source: Source, text: str, flows: Mapping[str, Flow], broken: set[str], world: World
) -> list[DialledNumber]:
    """Every entry, as far as it can be read; faults go to the source."""
    root = source.compose(text)
    if root is None:
        return []
    top = Fields(source, root, "numbers.yaml")
    known = Known(flows, broken, world, read_hours(top))
    node = top.value("numbers")
    top.done()
    if node is not None and not isinstance(node, yaml.SequenceNode):
        source.blame(node, "'numbers' must be a list, each entry with '- number: \"…\"'")
        return []
    found: list[tuple[DialledNumber, Fields]] = []
    for item in node.value if node is not None else ():
        fields = Fields(source, item, "a number")
        found.append((_number(fields, known), fields))
        fields.done()
    _check_clashes(found)
    return [number for number, _ in found]


def _number(fields: Fields, known: Known) -> DialledNumber:
    number = fields.text("number")
    if number and not is_number(number):
        meant = number.lstrip("_").upper()
        hint = f" (did you mean '{meant}'?)" if is_number(meant) else ""
        fields.blame(
            f"a number is 1 to {MOST_DIGITS} digits; in a pattern X is any digit, Z 1 to 9, N 2 to 9{hint}", "number"
        )
    languages = sorted(known.world.prompts)
    trunk = fields.text("trunk", "") or None
    trunks = known.world.trunks | ({AGENTS} if known.world.agents else set())
    if trunk == AGENTS and AGENTS not in trunks:
        fields.blame(f"there is no trunk '{AGENTS}': the configuration has no agents", "trunk")
    elif trunk is not None and trunk not in trunks:
        fields.blame(f"there is no trunk '{trunk}'{did_you_mean(trunk, trunks)}", "trunk")
    own = read_detour(fields, known, {})
    return DialledNumber(
        number=number,
        flow=own.flow,
        language=fields.one_of("language", languages, "fa" if "fa" in languages else None),
        trunk=trunk,
        settings=own.settings,
        hours=_hours(fields, known),
        closed=_instead(fields, "closed", "hours", HangupCause.UNAVAILABLE, own, known),
        most_calls=fields.whole("most_calls", 1, least=1, most=MOST_CALLS) if fields.has("most_calls") else None,
        full=_instead(fields, "full", "most_calls", HangupCause.BUSY, own, known),
        afterwards=_afterwards(fields, own, known),
    )


def _afterwards(fields: Fields, own: Detour, known: Known) -> Detour | None:
    """`afterwards: {flow: back_to_agent}`: for callers whom an agent sent."""
    node = fields.value("afterwards", required=False)
    if node is None:
        return None
    inner = Fields(fields.source, node, "'afterwards'")
    detour = read_detour(inner, known, own.settings, handed=AFTERWARDS)
    inner.done()
    if detour.flow and detour.flow == own.flow:
        inner.blame("'afterwards' leads to the number's own flow", "flow")
    return detour


def _hours(fields: Fields, known: Known) -> Hours | None:
    if not fields.has("hours"):
        return None
    name = fields.text("hours")
    if name and name not in known.hours:
        fields.blame(f"there are no hours '{name}'{did_you_mean(name, known.hours)}", "hours")
    if not fields.has("closed"):
        fields.blame(f"a number with 'hours' needs 'closed': {{flow: …}}, or {', '.join(REFUSALS)}")
    return known.hours.get(name)


def _instead(fields: Fields, name: str, needs: str, default: HangupCause, own: Detour, known: Known) -> Instead:
    """`{flow: …, settings: …}`, or a word for the network. Settings of the number's own flow count for this one too."""
    node = fields.value(name, required=False)
    if node is None:
        return default
    if not fields.has(needs):
        fields.blame(f"'{name}' says nothing without '{needs}'", name)
    if isinstance(node, yaml.MappingNode):
        inner = Fields(fields.source, node, f"'{name}'")
        detour = read_detour(inner, known, own.settings)
        inner.done()
        if detour.flow and detour.flow == own.flow:
            inner.blame(f"'{name}' leads to the number's own flow", "flow")
        return detour
    text = read_text(fields.source, node, f"'{name}'")
    if text is not None and text not in REFUSALS:
        fields.blame(
            f"'{name}' must be {{flow: …}} or one of {', '.join(REFUSALS)}{did_you_mean(text, REFUSALS)}", name
        )
    return REFUSALS.get(text or "", default)


def read_detour(
    fields: Fields, known: Known, inherited: Mapping[str, str], *, handed: Mapping[str, Kind] = NOTHING
) -> Detour:
    """`flow` and its `settings`. `handed`: what the flow may take."""
    name = fields.text("flow")
    if name and name not in known.flows and name not in known.broken:
        fields.blame(f"there is no flow '{name}'{did_you_mean(name, known.flows)}", "flow")
    elif name in known.flows and (known.flows[name].endings or (known.flows[name].takes and not handed)):
        fields.blame(f"flow '{name}' is for other flows to call: it has 'return' or 'takes'", "flow")
    elif name in known.flows and not known.flows[name].takes.items() <= handed.items():
        words = " and ".join(f"{known_name} ({kind.value})" for known_name, kind in handed.items())
        fields.blame(f"flow '{name}' takes more than there is: {words}", "flow")
    setting_fields = fields.fields("settings", "the settings", required=False)
    settings = {}
    for setting, _, value in setting_fields.names():
        text = read_text(fields.source, value, f"'{setting}'")
        if text is not None and not is_digits(text):
            fields.source.blame(value, f"'{setting}' must be digits")
        settings[setting] = text or ""
    flow = known.flows.get(name)
    if flow is None:
        return Detour(name, settings)
    for setting in sorted(set(settings) - flow.settings):
        setting_fields.blame(f"flow '{name}' has no setting '{setting}'{did_you_mean(setting, flow.settings)}", setting)
    settings = {setting: text for setting, text in inherited.items() if setting in flow.settings} | settings
    for setting in sorted(flow.settings - set(settings)):
        fields.blame(f"flow '{name}' needs the setting '{setting}'")
    return Detour(name, settings)


def _check_clashes(found: list[tuple[DialledNumber, Fields]]) -> None:
    """Two entries of one trunk (or two for any trunk) that could take the same call, neither of them more exactly."""
    seen: dict[Key, Fields] = {}
    patterns: list[tuple[DialledNumber, Fields]] = []
    for number, fields in found:
        if not is_number(number.number):
            continue
        if (other := seen.setdefault(number.key, fields)) is not fields:
            fields.blame(f"{number.number} stands twice: {_place(other)} has it already", "number")
        elif is_pattern(number.number):
            for before, there in patterns:
                common = in_common(number.number, before.number) if before.trunk == number.trunk else None
                if common is not None:
                    fields.blame(
                        f"{number.number} and {before.number} ({_place(there)}) would both take {common}", "number"
                    )
            patterns.append((number, fields))


def _place(fields: Fields) -> str:
    node = fields.value("number")
    return f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}" if node is not None else "it"
