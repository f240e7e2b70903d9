"""A dialplan together with what it needs around it: prompts, their recordings, trunks, providers, notices.

Law: what is loaded here can be spoken. Whoever loads says which texts: those on disk, or those of a kept version.
"""

from pathlib import Path

from ivr.config import Settings
from ivr.domain.errors import Unusable
from ivr.domain.reading import Fault, Faults, did_you_mean
from ivr.domain.screens import Limits
from ivr.flow.engine import CALL_TOO_LONG
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan, World
from ivr.flow.numbers import AGENTS
from ivr.flow.steps.keep import KeepStep
from ivr.flow.versions import Files, Loaded
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.check import behind
from ivr.recordings.files import built
from ivr.store.dialplan_files import load_current, load_kept
from ivr.ussd.words import missing


def load_world(settings: Settings, dialplan: Path | None = None) -> tuple[Dialplan, Catalogue]:
    """The dialplan and the prompts, checked against each other. Raises BadInput (Faults) with everything wrong."""
    catalogue = Catalogue.load(settings.prompts)
    if CALL_TOO_LONG.name not in catalogue:
        what = f"{CALL_TOO_LONG.name} is missing: it is what callers hear whose call has lasted for too long"
        raise Faults([Fault(str(settings.prompts), 1, 1, what)])
    world = world_of(settings, catalogue)
    where = dialplan or settings.dialplan
    loaded = load_dialplan(where, world)
    for service in loaded.services:
        if lacks := missing(world.screens, service.language):
            what = f"{lacks[0]} is missing in '{service.language}': every USSD service needs it"
            raise Faults([Fault(str(settings.prompts), 1, 1, what)])
    if where.is_dir():
        _check_assist_number(settings, loaded)
    return loaded, catalogue


def world_of(settings: Settings, catalogue: Catalogue) -> World:
    """What the flows of this deployment may refer to."""
    return World(
        prompts={language: catalogue.names(language) for language in catalogue.languages},
        characters={language: catalogue.lengths(language) for language in catalogue.languages},
        screens={language: catalogue.screens(language) for language in catalogue.languages},
        screen_limits=settings.ussd.limits if settings.ussd is not None else Limits(),
        trunks=frozenset(trunk.name for trunk in settings.asterisk.trunks),
        providers={name: provider.operations for name, provider in settings.providers.items()},
        notices=frozenset(settings.notices),
        agents=frozenset(agent.name for agent in settings.asterisk.agents),
        queues=frozenset(queue.name for queue in settings.asterisk.queues),
    )


def _check_assist_number(settings: Settings, dialplan: Dialplan) -> None:
    number = settings.asterisk.assist_number
    if number and dialplan.number(number, AGENTS) is None:
        line, column = settings.assist_number_at
        what = f"'assist_number': numbers.yaml has no number {number} that agents may call"
        raise Faults([Fault(str(settings.file), line, column, what)])


def recordings_note(settings: Settings, catalogue: Catalogue, *, missing: bool = True) -> str | None:
    """What an admin who changed a prompt's text has still to do before callers hear it.

    `missing=False`: not about those without any recording, for which a dialplan is refused already.
    """
    names = behind(catalogue, settings.prompts, settings.recordings, missing=missing)
    if not names:
        return None
    what = "1 prompt is" if len(names) == 1 else f"{len(names)} prompts are"
    return f"{what} not recorded as written now (the first: {names[0]}); callers hear it after: ivr prompts build"


def unkept_note(settings: Settings, dialplan: Dialplan) -> str | None:
    """Words of merchants under which no flow registers anything: a slip, or a flow that is yet to come."""
    kinds = [step.kind for flow in dialplan.flows.values() for step in flow.steps.values()]
    kept = {kind.word for kind in kinds if isinstance(kind, KeepStep)}
    words = {word: name for name, merchant in settings.merchants.items() for word in merchant.registrations}
    if not (unkept := sorted(words.keys() - kept)):
        return None
    word = unkept[0]
    return f"no flow keeps anything as '{word}', which is merchant '{words[word]}''s{did_you_mean(word, kept)}"


def load_current_dialplan(settings: Settings) -> Loaded:
    """The dialplan on disk, with a recording for everything it says. Raises Faults, or Unusable with the cure."""
    return load_current(settings.dialplan, lambda directory: _load_speakable(settings, directory))


def load_kept_dialplan(settings: Settings, files: Files) -> Loaded:
    """A dialplan that was in use once, if it still fits everything around it. Raises as `load_current_dialplan`."""
    return load_kept(files, lambda directory: _load_speakable(settings, directory), settings.dialplan)


def _load_speakable(settings: Settings, directory: Path) -> Dialplan:
    dialplan, catalogue = load_world(settings, directory)
    _check_recordings(settings, catalogue)
    return dialplan


def _check_recordings(settings: Settings, catalogue: Catalogue) -> None:
    """Every prompt must have its recording before the first caller comes: Asterisk would skip it in silence."""
    missing = [
        f"{language}/{name}"
        for language in catalogue.languages
        for name in sorted(catalogue.names(language))
        if not all(file.exists() for file in built(settings.recordings, language, name).values())
    ]
    if missing:
        raise Unusable(
            f"{len(missing)} recordings are missing in {settings.recordings} (the first: {missing[0]}); "
            "make them with: ivr prompts build"
        )
