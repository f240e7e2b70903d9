"""YAML -> dialplan. Everything that is wrong is reported at once, each fault with its file, line and column.

Law: a dialplan with any fault is refused whole. Nothing here touches a telephone, a provider or a prompt: what exists
is told by the World that is handed in.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from ivr.domain.digits import is_digits
from ivr.domain.legs import HangupCause
from ivr.domain.operations import Kind
from ivr.domain.reading import Fault, Faults, Fields, Source, did_you_mean, read_text
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.model import DialledNumber, Dialplan, Flow, Step, Uses, World
from ivr.flow.steps import ask, choose, confirm, dial, hang_up, headers, invoice, menu, provider, say
from ivr.flow.steps import language as language_step
from ivr.flow.steps import set as set_step
from ivr.flow.steps.base import NEXT, Made, Reading

KINDS: Final[Mapping[str, Callable[[yaml.Node, Reading], Made]]] = {
    "say": say.read,
    "ask": ask.read,
    "menu": menu.read,
    "confirm": confirm.read,
    "language": language_step.read,
    "choose": choose.read,
    "set": set_step.read,
    "provider": provider.read,
    "invoice": invoice.read,
    "dial": dial.read,
    "headers": headers.read,
    "hang_up": hang_up.read,
}
"""Every step kind by the word that admins write."""

BUILT_IN: Final[Mapping[str, Kind]] = {"caller_number": Kind.DIGITS, "dialled_number": Kind.DIGITS}
"""What every call knows from its beginning; `caller_number` is missing when withheld."""


@dataclass(slots=True)
class _Draft:
    """A flow while its cross references are checked."""

    source: Source
    flow: Flow
    uses: Uses = field(default_factory=Uses)
    targets: list[tuple[str, yaml.Node]] = field(default_factory=list)
    step_places: dict[str, yaml.Node] = field(default_factory=dict)


def load_dialplan(directory: Path, world: World) -> Dialplan:
    """Read `numbers.yaml` and `flows/*.yaml` of a directory. Raises Faults with everything that is wrong.

    `directory` may also be the file of a single flow, which is then read without any number.
    """
    if directory.is_file():
        return _load_single(directory, world)
    faults: list[Fault] = []
    drafts: dict[str, _Draft] = {}
    for path in sorted((directory / "flows").glob("*.yaml")):
        source, text = read_file(path, directory)
        if text is not None and (draft := _read_flow(source, text, path.stem, world)) is not None:
            drafts[draft.flow.name] = draft
        faults += source.faults
    numbers_source, text = read_file(directory / "numbers.yaml", directory)
    flows = {name: draft.flow for name, draft in drafts.items()}
    broken = {path.stem for path in (directory / "flows").glob("*.yaml")} - set(flows)
    numbers = _read_numbers(numbers_source, text, flows, broken, world) if text is not None else []
    faults += numbers_source.faults
    chosen = {language for draft in drafts.values() for language in draft.uses.languages}
    for draft in drafts.values():
        spoken = {n.language for n in numbers if n.flow == draft.flow.name} or set(world.prompts)
        faults += _missing_prompts(draft, spoken | chosen, world)
    if faults:
        raise Faults(faults)
    return Dialplan(flows, numbers)


def _load_single(path: Path, world: World) -> Dialplan:
    source, text = read_file(path, path.parent)
    draft = _read_flow(source, text, path.stem, world) if text is not None else None
    missing = _missing_prompts(draft, set(world.prompts), world) if draft is not None else []
    if draft is None or source.faults or missing:
        raise Faults([*source.faults, *missing])
    return Dialplan({draft.flow.name: draft.flow}, [])


def read_file(path: Path, base: Path) -> tuple[Source, str | None]:
    """A file's text, or None with the fault noted. Faults name the path as the admin wrote it, relative to nothing."""
    source = Source(str(path))
    try:
        return source, path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        source.blame(None, f"there is no such file in {base}")
    except UnicodeDecodeError as exc:
        source.blame(None, f"not UTF-8 text (byte {exc.start})")
    except OSError as exc:
        source.blame(None, f"cannot be read: {exc.strerror}")
    return source, None


# -- one flow ----------------------------------------------------------------------------------------------------------


def _read_flow(source: Source, text: str, stem: str, world: World) -> _Draft | None:
    root = source.compose(text)
    if root is None:
        return None
    fields = Fields(source, root, "the flow")
    name = fields.name("flow")
    if name and name != stem:
        fields.blame(f"the file is called {stem}.yaml and the flow '{name}': they must agree", "flow")
    fields.text("about", "")
    settings = frozenset(text for text, _ in fields.texts("settings", required=False))
    draft = _Draft(source, Flow(name, "", "", "", {}, settings))
    draft.uses.makes.update({**BUILT_IN, **dict.fromkeys(settings, Kind.DIGITS)})
    steps: dict[str, Step] = {}
    for step_name, key, node in fields.fields("steps", "the steps").names():
        draft.step_places[step_name] = key
        steps[step_name] = _read_step(step_name, node, draft, world)
    first = _target(fields, "first", draft)
    on_failure = _target(fields, "on_failure", draft)
    fields.done()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    draft.flow = Flow(name, digest, first, on_failure, steps, settings)
    _check_targets(draft)
    _check_reachable(draft)
    _check_values(draft)
    return draft


def _read_step(name: str, node: yaml.Node, draft: _Draft, world: World) -> Step:
    source = draft.source
    fields = Fields(source, node, f"step '{name}'")
    kinds = {kind: body for kind in KINDS if (body := fields.value(kind, required=False)) is not None}
    made: Made | None = None
    if len(kinds) == 1:
        [(kind, body)] = kinds.items()
        made = KINDS[kind](body, Reading(source, world, draft.uses))
    elif kinds:
        fields.blame(f"a step does one thing: '{name}' says {' and '.join(kinds)}")
    exits: dict[str, tuple[str, yaml.Node]] = dict(made.inline) if made else {}
    exit_fields = fields.fields("exits", f"the exits of '{name}'", required=False)
    ways = [(exit_name, f"the exit '{exit_name}'", place) for exit_name, _, place in exit_fields.names()]
    if (next_node := fields.value("next", required=False)) is not None:
        ways.append((_main_exit(made), "'next'", next_node))
    for exit_name, what, place in ways:
        if exit_name in exits:
            source.blame(place, f"step '{name}' has two ways on for '{exit_name}'")
        elif (target := read_text(source, place, what)) is not None:
            exits[exit_name] = (target, place)
    at_most = fields.whole("at_most", 0, least=1, most=100) if fields.has("at_most") else None
    fields.done()
    if not kinds and isinstance(node, yaml.MappingNode):
        source.blame(node, f"step '{name}' does nothing: it needs one of {', '.join(KINDS)}")
    if made is not None:
        required = made.exits | ({TOO_OFTEN} if at_most is not None else frozenset())
        _check_exits(name, node, exits, required, made, source)
    draft.targets += exits.values()
    step_kind = made.kind if made else hang_up.HangUpStep(HangupCause.NORMAL)
    return Step(name, step_kind, {exit_name: target for exit_name, (target, _) in exits.items()}, at_most)


def _main_exit(made: Made | None) -> str:
    """Which exit `next` stands for: the one that goes on."""
    if made is not None:
        for exit_name in (NEXT, "ok", "ended"):
            if exit_name in made.exits:
                return exit_name
    return NEXT


def _check_exits(
    name: str,
    node: yaml.Node,
    exits: Mapping[str, tuple[str, yaml.Node]],
    required: frozenset[str],
    made: Made,
    source: Source,
) -> None:
    for exit_name in sorted(required - set(exits)):
        shown = "next" if exit_name == _main_exit(made) else exit_name
        source.blame(node, f"step '{name}' has no way on for '{shown}'")
    for exit_name, (_, place) in exits.items():
        if exit_name not in required and exit_name not in made.inline:
            source.blame(place, f"step '{name}' never leaves by '{exit_name}'{did_you_mean(exit_name, required)}")


def _target(fields: Fields, name: str, draft: _Draft) -> str:
    text = fields.text(name)
    node = fields.value(name, required=False)
    if text and node is not None:
        draft.targets.append((text, node))
    return text


def _check_targets(draft: _Draft) -> None:
    for target, node in draft.targets:
        if target not in draft.flow.steps:
            draft.source.blame(node, f"there is no step '{target}'{did_you_mean(target, draft.flow.steps)}")


def _check_reachable(draft: _Draft) -> None:
    flow = draft.flow
    if flow.first not in flow.steps:
        return  # everything would be called unreachable, and the cause is reported already
    seen: set[str] = set()
    todo = [flow.first, flow.on_failure]
    while todo:
        name = todo.pop()
        if name in flow.steps and name not in seen:
            seen.add(name)
            todo += flow.steps[name].exits.values()
    for name, place in draft.step_places.items():
        if name not in seen:
            draft.source.blame(place, f"no way leads to step '{name}'")


def _check_values(draft: _Draft) -> None:
    known = draft.uses.makes
    for name, kinds, node in draft.uses.refers:
        kind = known.get(name)
        if kind is None:
            draft.source.blame(node, f"nothing in this flow makes '{name}' known{did_you_mean(name, known)}")
        elif kind is Kind.SECRET and Kind.SECRET not in kinds:
            draft.source.blame(node, f"'{name}' is secret: it can go to a provider and nowhere else")
        elif kind not in kinds:
            wanted = " or ".join(sorted(k.value for k in kinds))
            draft.source.blame(node, f"'{name}' is {kind.value}, and {wanted} is needed here")


def _missing_prompts(draft: _Draft, languages: set[str], world: World) -> list[Fault]:
    source = Source(draft.source.file)
    for name, node in draft.uses.prompts:
        for language in sorted(languages & set(world.prompts)):
            if name not in world.prompts[language]:
                source.blame(
                    node, f"there is no prompt '{name}' in '{language}'{did_you_mean(name, world.prompts[language])}"
                )
    return source.faults


# -- numbers -----------------------------------------------------------------------------------------------------------


def _read_numbers(
    source: Source, text: str, flows: Mapping[str, Flow], broken: set[str], world: World
) -> list[DialledNumber]:
    root = source.compose(text)
    if root is None:
        return []
    top = Fields(source, root, "numbers.yaml")
    node = top.value("numbers")
    top.done()
    if node is not None and not isinstance(node, yaml.SequenceNode):
        source.blame(node, "'numbers' must be a list, each entry with '- number: \"…\"'")
        return []
    found: list[DialledNumber] = []
    for item in node.value if node is not None else ():
        fields = Fields(source, item, "a number")
        number = _read_number(fields, flows, broken, world)
        fields.done()
        if number.number and any((n.number, n.trunk) == (number.number, number.trunk) for n in found):
            fields.blame(f"{number.number} stands twice")
        found.append(number)
    return found


def _read_number(fields: Fields, flows: Mapping[str, Flow], broken: set[str], world: World) -> DialledNumber:
    number = fields.text("number")
    if number and (not is_digits(number) or len(number) > 15):
        fields.blame("a number is 1 to 15 digits", "number")
    flow = fields.text("flow")
    if flow and flow not in flows and flow not in broken:
        fields.blame(f"there is no flow '{flow}'{did_you_mean(flow, flows)}", "flow")
    language = fields.one_of("language", sorted(world.prompts), "fa" if "fa" in world.prompts else None)
    trunk = fields.text("trunk", "") or None
    if trunk is not None and trunk not in world.trunks:
        fields.blame(f"there is no trunk '{trunk}'{did_you_mean(trunk, world.trunks)}", "trunk")
    setting_fields = fields.fields("settings", "the settings", required=False)
    settings = {}
    for name, _, value in setting_fields.names():
        text = read_text(fields.source, value, f"'{name}'")
        if text is not None and not is_digits(text):
            fields.source.blame(value, f"'{name}' must be digits")
        settings[name] = text or ""
    if flow in flows:
        for name in sorted(flows[flow].settings - set(settings)):
            fields.blame(f"flow '{flow}' needs the setting '{name}'")
        for name in sorted(set(settings) - flows[flow].settings):
            setting_fields.blame(
                f"flow '{flow}' has no setting '{name}'{did_you_mean(name, flows[flow].settings)}", name
            )
    return DialledNumber(number, flow, language, trunk, settings)
