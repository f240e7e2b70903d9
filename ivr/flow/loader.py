"""YAML -> dialplan. Everything that is wrong is reported at once, each fault with its file, line and column.

Law: a dialplan with any fault is refused whole; a flow that no number leads to, and that needs a provider which this
deployment does not have, is no fault and no part of it. Nothing here touches a telephone, a provider or a prompt: what
exists is told by the World that is handed in.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import yaml

from ivr.domain.legs import HangupCause
from ivr.domain.operations import Kind
from ivr.domain.reading import NAME, Fault, Faults, Fields, Source, did_you_mean, read_text
from ivr.flow.brought import Wanted, read_brought
from ivr.flow.channels import misplaced, only_reached, reached
from ivr.flow.checks.screens import check as check_screens
from ivr.flow.checks.written import Written, WrittenStep
from ivr.flow.confidential import recorded_secrets
from ivr.flow.describing import describe
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.facts import MAY_BE_MISSING, NOTHING_TOLD
from ivr.flow.linking import MOST_STEPS, link, size
from ivr.flow.model import DialledNumber, Dialplan, Flow, Service, Step, Uses, World
from ivr.flow.numbers import read_numbers
from ivr.flow.questions import question
from ivr.flow.saying import only_on_screen
from ivr.flow.services import ReadService, read_services
from ivr.flow.steps import (
    ask,
    call,
    channel,
    choose,
    confirm,
    dial,
    hang_up,
    headers,
    inquire,
    invoice,
    keep,
    last_payment,
    menu,
    notify,
    provider,
    record,
    say,
    transfer,
    ussd_payment,
)
from ivr.flow.steps import language as language_step
from ivr.flow.steps import link as link_step
from ivr.flow.steps import set as set_step
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.verify import verify
from ivr.flow.visit import CHANNEL, USSD, VOICE

KINDS: Final[Mapping[str, Callable[[yaml.Node, Reading], Made]]] = {
    "say": say.read,
    "ask": ask.read,
    "menu": menu.read,
    "confirm": confirm.read,
    "language": language_step.read,
    "choose": choose.read,
    "channel": channel.read,
    "set": set_step.read,
    "call": call.read,
    "return": call.read_return,
    "provider": provider.read,
    "invoice": invoice.read,
    "dial": dial.read,
    "transfer": transfer.read,
    "headers": headers.read,
    "notify": notify.read,
    "link": link_step.read,
    "inquire": inquire.read,
    "keep": keep.read,
    "last_payment": last_payment.read,
    "ussd_payment": ussd_payment.read,
    "record": record.read,
    "hang_up": hang_up.read,
}
"""Every step kind by the word that admins write."""

BUILT_IN: Final[Mapping[str, Kind]] = {
    "caller_number": Kind.DIGITS,
    "caller_mobile": Kind.DIGITS,
    "dialled_number": Kind.DIGITS,
    "call_id": Kind.TEXT,
    "agent": Kind.TEXT,
    CHANNEL: Kind.TEXT,
}
"""What every call knows from its beginning; `caller_number` is missing when withheld, `caller_mobile` (the same as 09…)
also when it is no Iranian mobile, `agent` unless one of our own people sent the caller, or calls."""


@dataclass(slots=True)
class _Draft:
    """A flow while its cross references are checked."""

    source: Source
    flow: Flow
    uses: Uses = field(default_factory=Uses)
    targets: list[tuple[str, yaml.Node]] = field(default_factory=list)
    step_places: dict[str, yaml.Node] = field(default_factory=dict)
    written: dict[str, WrittenStep] = field(default_factory=dict)
    lacking: dict[str, Sequence[tuple[str, Fault]]] = field(default_factory=dict)
    """Step -> what it names that is not there, each with the fault that says so."""
    excused: list[Fault] = field(default_factory=list)
    """What steps lack that only USSD users come to: no fault where no service runs the flow."""


class _Flows:
    """The flows of a directory, each read once: when its turn comes, or when another one calls it."""

    def __init__(self, directory: Path, base: Path, world: World, *, verified: bool) -> None:
        self._paths = {path.stem: path for path in _flow_files(directory)}
        self._base = base
        self._world = world
        self.verified = verified
        self._read: dict[str, _Draft | None] = {}
        self._reading: list[str] = []
        self._faults: dict[str, Sequence[Fault]] = {}

    def read(self, stem: str) -> _Draft | None:
        """The flow in this file, or None when nothing can be made of it. Its faults are kept."""
        if stem not in self._read:
            source, text = read_file(self._paths[stem], self._base)
            self._reading.append(stem)
            self._read[stem] = _read_flow(source, text, stem, self._world, self) if text is not None else None
            self._reading.remove(stem)
            self._faults[stem] = source.faults
        return self._read[stem]

    def read_all(self) -> None:
        """Every file."""
        for stem in self._paths:
            self.read(stem)

    def called(self, name: str) -> Flow | str:
        """A flow that another one calls, or what is wrong with that."""
        if name not in self._paths:
            return f"there is no flow '{name}'{did_you_mean(name, self._paths)}"
        if name in self._reading:
            circle = " -> ".join([*self._reading[self._reading.index(name) :], name])
            return f"flows cannot call each other in a circle: {circle}"
        draft = self.read(name)
        return draft.flow if draft is not None else f"flow '{name}' cannot be called before its own faults are mended"

    def faults(self, but: Collection[str] = ()) -> list[Fault]:
        """What is wrong with the files, `but` these."""
        return [fault for stem, faults in self._faults.items() if stem not in but for fault in faults]

    def lacking(self) -> dict[str, Sequence[str]]:
        """Flow -> the providers that it, or a flow that it calls, names and that are not there."""
        drafts = self.drafts
        found: dict[str, Sequence[str]] = {}
        for name, draft in drafts.items():
            reached = [drafts[other] for other in sorted(_reached([name], drafts)) if other in drafts]
            lacks = dict.fromkeys(provider for one in (draft, *reached) for provider, _ in one.uses.absent)
            if lacks and self._read.get(name) is draft:  # one by another name than its file's has a fault to be mended
                found[name] = tuple(lacks)
        return found

    @property
    def drafts(self) -> dict[str, _Draft]:
        """What was read, by the flows' names."""
        return {draft.flow.name: draft for draft in self._read.values() if draft is not None}

    @property
    def broken(self) -> set[str]:
        """Files of which nothing could be made."""
        return set(self._paths) - set(self.drafts)


def load_dialplan(directory: Path, world: World, *, verified: bool = True) -> Dialplan:
    """Read `numbers.yaml` and `flows/*.yaml` of a directory. Raises Faults with everything that is wrong.

    `directory` may also be the file of a single flow, which is then read without any number, and with the flows beside
    it that it calls. `verified` is False for those who try the engine with flows that no caller may meet.
    """
    if directory.is_file():
        return _load_single(directory, world, verified=verified)
    flows = _Flows(directory / "flows", directory, world, verified=verified)
    flows.read_all()
    drafts = flows.drafts
    numbers_source, text = read_file(directory / "numbers.yaml", directory)
    known = {name: draft.flow for name, draft in drafts.items()}
    numbers = read_numbers(numbers_source, text, known, flows.broken, world) if text is not None else []
    services, services_source = _services(directory, known, flows.broken, world)
    on_screens = {read.service.flow for read in services}
    used = _reached([*(name for number in numbers for name in number.flows), *on_screens], drafts)
    set_aside = {name: lacks for name, lacks in flows.lacking().items() if name not in used}
    drafts = {name: draft for name, draft in drafts.items() if name not in set_aside}
    faults = flows.faults(but=set_aside) + numbers_source.faults + services_source.faults
    for name in sorted(_reached(on_screens, drafts)):
        faults += drafts[name].excused if name in drafts else ()
    for name in sorted({name for number in numbers for name in number.flows} & drafts.keys()):
        faults += _not_for_calls(drafts[name])
    for read in services:
        faults += _not_for_screens(read.service, drafts, world)
    for draft in drafts.values():
        faults += _missing_prompts(draft, _spoken(draft, drafts, numbers, world), world)
    faults = list(dict.fromkeys(faults))
    if faults:
        raise Faults(faults)
    known = {name: draft.flow for name, draft in drafts.items()}
    return Dialplan(known, numbers, [read.service for read in services], world.screens, set_aside=set_aside)


def _services(
    directory: Path, flows: dict[str, Flow], broken: set[str], world: World
) -> tuple[list[ReadService], Source]:
    """The services of `ussd.yaml`, where there is one."""
    path = directory / "ussd.yaml"
    if not path.exists():
        return [], Source(str(path))
    source, text = read_file(path, directory)
    return (read_services(source, text, flows, broken, world) if text is not None else []), source


def _not_for_calls(draft: _Draft) -> list[Fault]:
    """Steps of a flow that callers come to and cannot have, or that ask them without a word."""
    source, here = Source(draft.source.file), reached(draft.flow, VOICE)

    def blame(step: str, what: str) -> None:
        source.blame(draft.step_places[step.partition("/")[0]], what)

    for step in misplaced(draft.flow, VOICE, here):
        kind = describe(step.kind).kind
        blame(step.name, f"'{step.name}': a call has no '{kind}': let a 'channel' step lead only USSD here")
    for name in (name for name in draft.flow.steps if name in here):
        asked = question(draft.flow.steps[name].kind)
        if asked is not None and asked.saying.parts and all(map(only_on_screen, asked.saying.parts)):
            blame(name, f"'{name}' asks callers without a word: what it says is for screens")
    return source.faults


def _not_for_screens(service: Service, drafts: Mapping[str, _Draft], world: World) -> list[Fault]:
    if (draft := drafts.get(service.flow)) is None:
        return []
    source = Source(draft.source.file)
    chosen = {
        language
        for name in _reached([service.flow], drafts)
        if name in drafts
        for language in drafts[name].uses.languages
    }
    for language in sorted({service.language} | chosen):
        for step, what in check_screens(draft.flow, language, world.screen_limits, world):
            source.blame(draft.step_places[step.partition("/")[0]], f"'{step}': {what}")
    return source.faults


def _reached(begin: Iterable[str], drafts: Mapping[str, _Draft]) -> set[str]:
    """These flows and all that they call."""
    todo = list(begin)
    seen = set(todo)
    for name in todo:
        steps = drafts[name].flow.steps.values() if name in drafts else ()
        called = {step.kind.flow.name for step in steps if isinstance(step.kind, call.CallStep)}
        todo += called - seen
        seen |= called
    return seen


def _spoken(draft: _Draft, drafts: Mapping[str, _Draft], numbers: Sequence[DialledNumber], world: World) -> set[str]:
    """The languages that callers of this flow can have; for one that no number runs itself, every language."""
    chosen = {language for other in drafts.values() for language in other.uses.languages}
    return ({n.language for n in numbers if draft.flow.name in n.flows} or set(world.prompts)) | chosen


def _flow_files(directory: Path) -> list[Path]:
    """Hidden files are an editor's own: `.#pay.yaml` while somebody has unsaved changes in pay.yaml."""
    return sorted(path for path in directory.glob("*.yaml") if not path.name.startswith("."))


def _load_single(path: Path, world: World, *, verified: bool) -> Dialplan:
    flows = _Flows(path.parent, path.parent, world, verified=verified)
    flows.read(path.stem)
    missing = [fault for d in flows.drafts.values() for fault in _missing_prompts(d, set(world.prompts), world)]
    if (faults := flows.faults()) or missing:
        raise Faults([*faults, *missing])
    return Dialplan({name: draft.flow for name, draft in flows.drafts.items()}, [])


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


def _read_flow(source: Source, text: str, stem: str, world: World, flows: _Flows) -> _Draft | None:
    root = source.compose(text)
    if root is None:
        return None
    fields = Fields(source, root, "the flow")
    name = fields.name("flow")
    if name and name != stem:
        fields.blame(f"the file is called {stem}.yaml and the flow '{name}': they must agree", "flow")
    fields.text("about", "")
    settings = frozenset(text for text, _ in fields.texts("settings", required=False))
    takes = _takes(fields)
    brought = read_brought(fields.fields("brings", "what a call may bring along", required=False))
    draft = _Draft(source, Flow(name, "", "", "", {}, settings))
    draft.uses.makes.update({**BUILT_IN, **dict.fromkeys(settings, Kind.DIGITS), **takes})
    _note_brought(draft, brought)
    steps: dict[str, Step] = {}
    for step_name, key, node in fields.fields("steps", "the steps").names():
        draft.step_places[step_name] = key
        if "/" in step_name:
            source.blame(key, f"'{step_name}' cannot be a step's name: '/' stands between flows that call each other")
        steps[step_name] = _read_step(step_name, node, draft, world, flows)
    first = _target(fields, "first", draft)
    on_failure = _target(fields, "on_failure", draft)
    given = fields.texts("gives", required=False)
    draft.uses.refers += [(text, frozenset(Kind), node) for text, node in given]
    fields.done()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    gives = {text: draft.uses.makes[text] for text, _ in given if text in draft.uses.makes}
    endings = frozenset(step.kind.ending for step in steps.values() if isinstance(step.kind, call.ReturnStep))
    brings = {brought_name: want for brought_name, (want, _) in brought.items()}
    draft.flow = Flow(name, digest, first, on_failure, steps, settings, takes, gives, endings, brings=brings)
    _check_targets(draft)
    _excuse(draft)
    _check_reachable(draft)
    _check_values(draft)
    if flows.verified and not source.faults:
        known = settings | takes.keys() | (BUILT_IN.keys() - MAY_BE_MISSING)
        verify(Written(source, draft.flow, draft.written, draft.uses, known, world))
    if size(draft.flow) > MOST_STEPS:
        fields.blame(f"with the flows that it calls it has {size(draft.flow)} steps, more than {MOST_STEPS}", "steps")
    else:
        draft.flow = link(draft.flow)
        for name in recorded_secrets(draft.flow):
            place = draft.step_places[name.partition("/")[0]]
            source.blame(place, f"step '{name}' records, and a call may have been asked for a secret before it")
    return draft


def _excuse(draft: _Draft) -> None:
    """Whoever has no USSD service needs nothing of what stands behind a `channel` step for its users."""
    if draft.flow.first not in draft.flow.steps:
        return
    excused = [pair for step in only_reached(draft.flow, USSD) for pair in draft.lacking.get(step, ())]
    draft.excused = [fault for _, fault in excused]
    draft.source.faults[:] = [fault for fault in draft.source.faults if fault not in draft.excused]
    draft.uses.absent[:] = [pair for pair in draft.uses.absent if pair not in excused]


def _note_brought(draft: _Draft, brought: Mapping[str, tuple[Wanted, yaml.Node]]) -> None:
    """Its names are known, but not that they are there."""
    for name, (want, place) in brought.items():
        if not NAME.fullmatch(name):
            draft.source.blame(place, f"'{name}' is not a name: small letters a-z, digits and _ only")
        elif name in draft.uses.makes:
            draft.source.blame(place, f"'{name}' is known already, and cannot be brought along")
        else:
            draft.uses.makes[name] = want.makes
            draft.uses.sizes.append((name, want.most, place))


def _takes(fields: Fields) -> dict[str, Kind]:
    """`takes: {amount: amount, card: secret}`."""
    inner = fields.fields("takes", "what the flow takes", required=False)
    kinds = {}
    for name, key, _ in inner.names():
        if not NAME.fullmatch(name):
            fields.source.blame(key, f"'{name}' is not a name: small letters a-z, digits and _ only")
        kinds[name] = Kind(inner.one_of(name, [kind.value for kind in Kind]))
    return kinds


def _read_step(name: str, node: yaml.Node, draft: _Draft, world: World, flows: _Flows) -> Step:
    source = draft.source
    referred, already_made, lacked = len(draft.uses.refers), len(draft.uses.made), len(draft.uses.absent)
    fields = Fields(source, node, f"step '{name}'")
    kinds = {kind: body for kind in KINDS if (body := fields.value(kind, required=False)) is not None}
    made: Made | None = None
    if len(kinds) == 1:
        [(kind, body)] = kinds.items()
        made = KINDS[kind](body, Reading(source, world, draft.uses, flows.called))
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
    if made is not None and not made.exits_unknown:
        required = made.exits | ({TOO_OFTEN} if at_most is not None else frozenset())
        _check_exits(name, node, exits, required, made, source)
    draft.targets += exits.values()
    draft.lacking[name] = draft.uses.absent[lacked:]
    places = {exit_name: place for exit_name, (_, place) in exits.items()}
    draft.written[name] = WrittenStep(draft.step_places[name], places, draft.uses.refers[referred:])
    facts = made.facts if made else NOTHING_TOLD
    if facts.makes is None:
        facts = replace(facts, makes={_main_exit(made): frozenset(draft.uses.made[already_made:])})
    step_kind = made.kind if made else hang_up.HangUpStep(HangupCause.NORMAL)
    return Step(name, step_kind, {exit_name: target for exit_name, (target, _) in exits.items()}, at_most, facts)


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
                source.blame(node, _no_prompt(name, language, world))
    for name, node in draft.uses.shown:
        for language in sorted(languages & set(world.screens)):
            if name not in (known := world.screens[language]):
                source.blame(node, f"there is no prompt '{name}' in '{language}'{did_you_mean(name, known)}")
    return source.faults


def _no_prompt(name: str, language: str, world: World) -> str:
    if name in world.screens.get(language, {}):
        return f"'{name}' has no words for callers in '{language}', only for screens: write {{screen: {name}}}"
    return f"there is no prompt '{name}' in '{language}'{did_you_mean(name, world.prompts[language])}"
