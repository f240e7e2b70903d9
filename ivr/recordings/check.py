"""Is everything that callers hear there, current and fit to be heard? Law: all faults at once; nothing changes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ivr.domain.errors import BadInput
from ivr.domain.reading import Fault, Faults
from ivr.prompts.catalogue import FILE, Catalogue
from ivr.recordings import manifest as book
from ivr.recordings.build import fault, make, sources
from ivr.recordings.files import RECORDINGS, built, dropped_in, files_under
from ivr.recordings.manifest import Manifest, Source
from ivr.recordings.tools import ENCODINGS

BUILD: Final = "run `ivr prompts build`"


def check(prompts: Path, out: Path) -> list[Fault]:
    """Every fault of the catalogues in `<prompts>`, of the recordings beside them and of what is built in `<out>`.

    Raises Unusable when sox is missing and a new recording must be examined.
    """
    try:
        catalogue = Catalogue.load(prompts)
    except Faults as exc:
        return list(exc.faults)
    known = book.read(out)
    faults = [found for one in sources(catalogue, prompts) for found in _prompt(out, known, one)]
    faults += _unasked_recordings(catalogue, prompts)
    faults += _unasked_built(catalogue, out)
    return faults


def behind(catalogue: Catalogue, prompts: Path, out: Path, *, missing: bool = True) -> list[str]:
    """What callers do not hear as it is written now, as `language/name`: not built yet, or built before a change.

    Quick, and looks at no sound: what somebody else put into `out` counts as current. `missing=False` leaves out what
    is not built yet.
    """
    known = book.read(out)
    found = []
    for one in sources(catalogue, prompts):
        made = known.get(one.language, {}).get(one.name)
        there = all(file.exists() for file in built(out, one.language, one.name).values())
        if (made is not None and made.source != one.key) if there else missing:
            found.append(f"{one.language}/{one.name}")
    return found


def _prompt(out: Path, known: Manifest, one: Source) -> Iterator[Fault]:
    """What is current was fit to be heard when it was made; the rest is a person's recording to try, or a text."""
    if book.is_current(out, known, one):
        return
    if one.recording is not None:
        try:
            make(one)
        except BadInput as exc:
            yield fault(one, str(exc))
            return
    there = all(file.is_file() for file in built(out, one.language, one.name).values())
    yield fault(one, f"{'out of date' if there else 'not built yet'}; {BUILD}")


def _unasked_recordings(catalogue: Catalogue, prompts: Path) -> Iterator[Fault]:
    """Recordings that no prompt asks for: a slip in the name, and the caller goes on hearing the synthesiser."""
    for language in catalogue.languages:
        asked = {dropped_in(prompts, language, name) for name in catalogue.names(language)}
        for file in files_under(prompts / language / RECORDINGS):
            if file.suffix != ".wav":
                yield Fault(str(file), 1, 1, "is not used: a recording's name ends in .wav")
            elif file not in asked:
                yield Fault(str(file), 1, 1, f"is not used: {prompts / language / FILE} has no such prompt")


def _unasked_built(catalogue: Catalogue, out: Path) -> Iterator[Fault]:
    asked = {
        file
        for language in catalogue.languages
        for name in catalogue.names(language)
        for file in built(out, language, name).values()
    }
    for file in files_under(out):
        if file.suffix.removeprefix(".") in ENCODINGS and file not in asked:
            yield Fault(str(file), 1, 1, "belongs to no prompt; delete it")
