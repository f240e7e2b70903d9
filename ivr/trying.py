"""`ivr play` and `ivr graph`: find the flow, and hand it to the simulator or the draughtsman.

Law: a flow with any fault is neither played nor drawn; its faults are said as `ivr check` says them. One that cannot
be shown on screens is not played by USSD, whether or not a service runs it.
"""

import difflib
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from ivr.config import Settings
from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput, Unusable
from ivr.domain.phone import mobile
from ivr.domain.screens import Limits
from ivr.domain.speech import Say
from ivr.flow.checks.screens import check as check_screens
from ivr.flow.model import DialledNumber, Flow, Service, lacking
from ivr.flow.session import Session
from ivr.flow.steps.ussd_payment import USSD_SESSION
from ivr.flow.visit import CHANNEL, USSD, VOICE
from ivr.graph.mermaid import mermaid
from ivr.graph.picture import draw
from ivr.graph.svg import svg
from ivr.loading import load_world, world_of
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.showing import show
from ivr.prompts.speaking import words
from ivr.simulator.answers import Providers
from ivr.simulator.call import Call
from ivr.simulator.fronts import JsonFront, TextFront
from ivr.simulator.game import Game
from ivr.simulator.playing import WrongInput, open_lines, play_by_hand, play_lines
from ivr.simulator.vectors import Difference, finish, read_vector, replay

CALLER: Final = "09121234567"
WITHHELD: Final = "withheld"
SETTING: Final = "1000"
"""Stands for a setting that no number gives, and for the dialled number of a flow that has none."""

CALL_ID: Final = "call"
SESSION: Final = "4711"
"""The network's name of a USSD session."""


class Channel(Enum):
    """How a flow is played."""

    VOICE = VOICE
    USSD = USSD


@dataclass(frozen=True, slots=True)
class Found:
    """A flow and what a call of it knows."""

    flow: Flow
    number: DialledNumber | None
    catalogue: Catalogue
    settings: Settings
    service: Service | None = None

    def language(self, wanted: str | None, channel: Channel = Channel.VOICE) -> str:
        """The language that was asked for, the number's or the service's, or the catalogue's. Raises BadInput."""
        if wanted is None:
            languages = self.catalogue.languages
            runs = self.number if channel is Channel.VOICE else self.service
            return runs.language if runs else "fa" if "fa" in languages else languages[0]
        if wanted not in self.catalogue.languages:
            raise BadInput(f"there is no language '{wanted}'; there are {', '.join(self.catalogue.languages)}")
        return wanted

    def knows(self, caller: str, agent: str | None, given: Mapping[str, str]) -> dict[str, str | int]:
        """What a call knows from its beginning. `agent`: who sent it. Raises BadInput."""
        known: dict[str, str | int] = {} if caller == WITHHELD else {"caller_number": caller}
        if agent is not None:
            known["agent"] = agent
        known["dialled_number"] = self.number.number if self.number else SETTING
        known["call_id"] = CALL_ID
        known |= dict.fromkeys(sorted(self.flow.settings), SETTING)
        known |= self.number.settings if self.number else {}
        return {**known, **given, **self._brought(given)}

    def shows(self, caller: str, given: Mapping[str, str]) -> dict[str, str | int]:
        """What a USSD session knows from its beginning. Raises BadInput."""
        payer = mobile(caller)
        if payer is None:
            raise BadInput("a USSD user has a mobile number, and it is shown: 09…")
        known: dict[str, str | int] = dict.fromkeys(sorted(self.flow.settings), SETTING)
        known |= self.service.settings if self.service else {}
        code = "*".join(self.service.codes[0]) if self.service else SETTING
        known |= {"dialled_number": f"*{code}#", "call_id": CALL_ID, CHANNEL: USSD}
        return {**known, "caller_number": payer, USSD_SESSION: SESSION, **given, **self._brought(given)}

    @property
    def limits(self) -> Limits:
        """Of a screen."""
        return self.settings.ussd.limits if self.settings.ussd is not None else Limits()

    def check_screens(self, language: str) -> None:
        """Raises BadInput with what stands in the way of playing the flow on screens."""
        world = world_of(self.settings, self.catalogue)
        faults = [f"'{step}': {what}" for step, what in check_screens(self.flow, language, self.limits, world)]
        if faults:
            raise BadInput("\n".join(dict.fromkeys(faults)))

    def _brought(self, given: Mapping[str, str]) -> dict[str, str | int]:
        """Of these values those that the flow lets a call bring along, as they would be taken. Raises BadInput."""
        brought: dict[str, str | int] = {}
        for name, want in self.flow.brings.items():
            if name in given:
                value = want.value(given[name])
                if value is None:
                    what = "characters" if want.kind == "text" else "digits"
                    raise BadInput(f"'{name}' must be {want.least} to {want.most} {what}: else it is not taken")
                brought[name] = value
        return brought


def find_flow(settings: Settings, name: str) -> Found:
    """A flow of the configured dialplan by its name, or the flow of a YAML file. Raises BadInput."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or "/" in name:
        dialplan, catalogue = load_world(settings, path)
        if not path.is_file():
            raise BadInput(f"{name} is not the file of a flow")
        [flow] = dialplan.flows.values()
        return Found(flow, None, catalogue, settings)
    dialplan, catalogue = load_world(settings)
    if name in dialplan.set_aside:
        raise BadInput(f"{settings.file} has no {lacking(dialplan.set_aside[name])}, which '{name}' needs")
    if name not in dialplan.flows:
        near = difflib.get_close_matches(name, dialplan.flows, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(dialplan.flows)}"
        raise BadInput(f"there is no flow '{name}'{hint}")
    number = next((number for number in dialplan.numbers if number.flow == name), None)
    service = next((service for service in dialplan.services if service.flow == name), None)
    return Found(dialplan.flows[name], number, catalogue, settings, service)


def given_values(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` of the command line. Raises BadInput."""
    values = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise BadInput(f"'{pair}' is not written name=value")
        values[name] = value
    return values


class Format(Enum):
    """How a flow is drawn."""

    MERMAID = "mermaid"
    SVG = "svg"


def graph(found: Found, form: Format, *, language: str | None, output: Path | None) -> None:
    """Draw the flow to a file, or to stdout. Raises BadInput, Unusable."""
    spoken = found.language(language)
    picture = draw(found.flow, lambda name, own: found.catalogue.text(own or spoken, name))
    text = svg(picture) if form is Format.SVG else mermaid(picture)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise Unusable(f"{output} cannot be written: {exc.strerror}") from None


# -- play --------------------------------------------------------------------------------------------------------------


def play(
    found: Found,
    *,
    source: str | None,
    language: str | None,
    as_json: bool,
    record: Path | None,
    caller: str,
    agent: str | None = None,
    given: Mapping[str, str],
    channel: Channel = Channel.VOICE,
) -> int:
    """Play one call, or one USSD session; returns the exit status. Raises BadInput."""
    on_screen = channel is Channel.USSD
    if on_screen and agent is not None:
        raise BadInput("no agent sends anybody into a USSD session")
    if not on_screen and caller != WITHHELD and not is_digits(caller.removeprefix("+")):
        raise BadInput(f"the caller's number is digits, or '{WITHHELD}'")
    if record is not None:
        _check_place(record)
    spoken = found.language(language, channel)
    flow = found.flow
    if on_screen:
        found.check_screens(spoken)
    texts = {language: found.catalogue.screens(language) for language in found.catalogue.languages}
    providers = Providers(
        {name: provider.operations for name, provider in found.settings.providers.items()},
        {name: provider.codes for name, provider in found.settings.providers.items()},
    )
    front = JsonFront(sys.stdout) if as_json else TextFront(Console(highlight=False))

    def in_words(say: Sequence[Say], language: str) -> str:
        if on_screen:
            return show(texts, say, language, found.settings.currency)
        return words(found.catalogue, say, language, found.settings.currency)

    knows = found.shows(caller, given) if on_screen else found.knows(caller, agent, given)
    session = Session(CALL_ID, flow.name, flow.version, spoken, flow.first, answers=knows)
    game = Game(flow, session, words=in_words, providers=providers, tell=front.tell, limits=found.limits)
    try:
        if source is None and sys.stdin.isatty():
            play_by_hand(game, front, providers)
        else:
            with ExitStack() as stack:
                piped = source in (None, "-")
                lines = sys.stdin if piped else stack.enter_context(open_lines(Path(source or "")))
                play_lines(game, lines, "input" if piped else str(source), front)
    except WrongInput as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    if record is not None:
        _keep(record, game, found)
    return 0


def _check_place(path: Path) -> None:
    """Before anybody plays a long call that cannot be kept. Raises BadInput."""
    if path.exists():
        raise BadInput(f"{path} exists already")
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as exc:
        raise BadInput(f"{path} cannot be written: {exc.strerror}") from None


def _keep(path: Path, game: Game, found: Found) -> None:
    """Write the call down, and see that it goes so a second time. Raises BadInput, Unusable."""
    by_ussd = " --channel ussd" if game.on_screen else ""
    about = f"Recorded with `ivr play {game.flow.name}{by_ussd}`: say here what the caller notices."
    try:
        path.write_text(game.tape.text(about, None if game.over else game.session.step), encoding="utf-8")
    except OSError as exc:
        raise Unusable(f"{path} cannot be written: {exc.strerror}") from None
    _again(path, found.flow, game.session.language)


def _again(path: Path, flow: Flow, language: str) -> None:
    def begin(flow: Flow, knows: dict[str, str | int]) -> Call:
        return Call(flow, Session(CALL_ID, flow.name, flow.version, language, flow.first, answers=knows))

    finish(replay(path, flow, begin), path)


def replay_file(found: Found, path: Path, *, language: str | None, as_json: bool) -> int:
    """Make the call of a file and say the first difference; returns the exit status. Raises BadInput."""
    vector = read_vector(path)
    if vector.flows and found.flow.name not in vector.flows:
        raise BadInput(f"{path} is a call of {', '.join(vector.flows)}, not of {found.flow.name}")
    difference: str | None = None
    try:
        _again(path, found.flow, found.language(language))
    except Difference as exc:
        difference = str(exc)
    if as_json:
        told = {"file": str(path), "same": difference is None, "difference": difference}
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    elif difference is None:
        sys.stdout.write(f"{path}: goes as written\n")
    if difference is not None and not as_json:
        sys.stderr.write(difference + "\n")
    return 0 if difference is None else 1
