"""The catalogue: every prompt's name and, in each language, its text.

Law: a catalogue is either whole or refused. Whatever is wrong in any of its files is reported at once, each fault
with its place; a name exists in every language or in none (number pieces, which differ by language, excepted).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.domain.errors import BadInput
from ivr.domain.reading import Fault, Faults
from ivr.prompts.numbers import LANGUAGES, needed
from ivr.prompts.reading import Entry, read
from ivr.prompts.units import MONTHS, UNITS

FILE: Final = "catalogue.yaml"
"""`<prompts>/<language>/catalogue.yaml`."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What can be said. `entries[language][name]`; only `load` and `parse` make one, so it is always whole."""

    entries: Mapping[str, Mapping[str, Entry]]

    @classmethod
    def load(cls, prompts: Path) -> "Catalogue":
        """Read every `<prompts>/<language>/catalogue.yaml`. Raises Faults with all faults of all files."""
        files = sorted(prompts.glob(f"*/{FILE}"))
        if not files:
            raise Faults([Fault(str(prompts), 1, 1, f"no language here: there is no <language>/{FILE}")])
        texts: dict[str, tuple[str, str]] = {}
        faults: list[Fault] = []
        for file in files:
            try:
                texts[file.parent.name] = (str(file), file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as exc:
                faults.append(Fault(str(file), 1, 1, f"cannot be read as UTF-8 text ({type(exc).__name__})"))
        return cls._whole(texts, faults)

    @classmethod
    def parse(cls, texts: Mapping[str, tuple[str, str]]) -> "Catalogue":
        """The same from memory: language -> (the file's name for messages, its text)."""
        return cls._whole(texts, [])

    @classmethod
    def _whole(cls, texts: Mapping[str, tuple[str, str]], faults: list[Fault]) -> "Catalogue":
        entries: dict[str, dict[str, Entry]] = {}
        for language, (file, text) in texts.items():
            found, wrong = read(file, text)
            faults += wrong
            if found is not None:  # else one slip would be told as a missing prompt for every line of the file
                entries[language] = found
                faults += _unsayable(language, file, found)
        faults += _untranslated(entries, {language: file for language, (file, _) in texts.items()})
        if faults:
            raise Faults(faults)
        return cls(entries)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that callers can be spoken to in."""
        return tuple(self.entries)

    def names(self, language: str) -> frozenset[str]:
        """Every prompt and number piece of a language that is spoken."""
        return frozenset(name for name, entry in self._of(language).items() if entry.is_spoken)

    def screens(self, language: str) -> Mapping[str, str]:
        """What a screen shows for each prompt, those included that only screens show."""
        return {name: entry.shown for name, entry in self._of(language).items()}

    def lengths(self, language: str) -> Mapping[str, int]:
        """The characters of each spoken prompt's text."""
        return {name: len(entry.text) for name, entry in self._of(language).items() if entry.is_spoken}

    def __contains__(self, name: object) -> bool:
        """True when the prompt exists in every language, so that a flow may play it."""
        return all(name in entries for entries in self.entries.values())

    def text(self, language: str, name: str) -> str:
        """The prompt's words. Raises BadInput when the language or the name is not there."""
        return self.entry(language, name).text

    def entry(self, language: str, name: str) -> Entry:
        """The prompt with its place in the file. Raises BadInput as `text` does."""
        entry = self._of(language).get(name)
        if entry is None:
            raise BadInput(f"there is no prompt {name!r} in language {language!r}")
        return entry

    def _of(self, language: str) -> Mapping[str, Entry]:
        if language not in self.entries:
            raise BadInput(f"there is no language {language!r}; the catalogue has {', '.join(self.entries)}")
        return self.entries[language]


def _unsayable(language: str, file: str, entries: Mapping[str, Entry]) -> Iterator[Fault]:
    """What amounts and digits cannot be said without, and number pieces that nothing would ever play."""
    if language not in LANGUAGES:
        yield Fault(file, 1, 1, f"numbers cannot be said in {language!r}; known languages: {', '.join(LANGUAGES)}")
        return
    pieces = needed(language)
    for name, text in pieces.items():
        entry = entries.get(name)
        if entry is None:
            yield Fault(file, 1, 1, f"{name} is missing; its text is «{text}»")
        elif entry.text != text:
            yield Fault(
                file,
                entry.line,
                entry.column,
                f"{name} must have the text «{text}», for amounts are put together from it; "
                "how it sounds is changed by `spoken` or a recording",
            )
    for name in sorted((UNITS | MONTHS) - entries.keys()):
        yield Fault(file, 1, 1, f"{name} is missing")
    for name, entry in entries.items():
        if name.split("/")[0] in ("number", "digit") and name not in pieces:
            yield Fault(file, entry.line, entry.column, f"{name} is no piece of any number; it would never be played")


def _untranslated(entries: Mapping[str, Mapping[str, Entry]], files: Mapping[str, str]) -> Iterator[Fault]:
    """Names that one language has and another lacks."""
    everywhere = {
        name: entry
        for of_language in entries.values()
        for name, entry in of_language.items()
        if not name.startswith(("number/", "digit/", "unit/", "month/"))
    }
    for language, of_language in entries.items():
        for name, entry in everywhere.items():
            if name not in of_language:
                yield Fault(files[language], 1, 1, f"{name} is missing; {entry.file}:{entry.line} has it")
