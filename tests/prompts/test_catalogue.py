"""A catalogue is whole, or refused with every fault and its place."""

from pathlib import Path

import pytest

from ivr.domain.reading import Faults
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.numbers import LANGUAGES, needed
from ivr.prompts.reading import MOST_CHARACTERS

PROMPTS = Path(__file__).parents[2] / "prompts"

VOWEL_MARKS = {ord(mark): None for mark in "\u064e\u064f\u0650\u0651\u0652"}
RESPELLED = ("number/", "digit/")


def written(language: str, more: str = "", without: str = "") -> str:
    """The smallest whole catalogue of a language, and more."""
    groups: dict[str, list[str]] = {"unit": ['  rial: "rial"', '  toman: "toman"']}
    groups["month"] = [f'  "{month}": "month {month}"' for month in range(1, 13)]
    for name, text in needed(language).items():
        group, key = name.split("/")
        if name != without:
            groups.setdefault(group, []).append(f'  "{key}": "{text}"')
    return more + "".join(f"{group}:\n" + "\n".join(lines) + "\n" for group, lines in groups.items())


def faults_of(**texts: str) -> list[str]:
    with pytest.raises(Faults) as refused:
        Catalogue.parse({language: (f"{language}.yaml", text) for language, text in texts.items()})
    return [str(fault) for fault in refused.value.faults]


def test_the_shipped_catalogue_is_whole() -> None:
    """What we ship loads, in both languages, with the same prompts."""
    catalogue = Catalogue.load(PROMPTS)
    assert catalogue.languages == ("en", "fa")
    assert "invoice/enter_number" in catalogue
    assert "number/100_o" not in catalogue, "a piece of one language only is not for flows"
    assert catalogue.text("fa", "unit/rial") == "ریال"


def test_no_two_shipped_prompts_have_the_same_text() -> None:
    """A caller, and a test that listens, can tell them apart."""
    catalogue = Catalogue.load(PROMPTS)
    for language in catalogue.languages:
        texts = [entry.text for name, entry in catalogue.entries[language].items() if not name.startswith("digit/")]
        assert len(texts) == len(set(texts))


def test_what_is_spoken_is_what_is_written() -> None:
    """`spoken` adds vowel marks and changes no word."""
    for name, entry in Catalogue.load(PROMPTS).entries["fa"].items():
        if not name.startswith(RESPELLED):
            assert entry.heard.translate(VOWEL_MARKS) == entry.text.translate(VOWEL_MARKS), name


def test_every_fault_is_reported_at_once_with_its_place() -> None:
    """An admin mends a file in one go."""
    more = (
        "talk:\n"
        '  empty: ""\n'
        "  number: 42\n"
        '  Loud: "x"\n'
        '  twice: "a"\n'
        '  twice: "b"\n'
        '  arabic: "كارت"\n'
        f'  long: "{"x" * (MOST_CHARACTERS + 1)}"\n'
        '  edges: " x "\n'
        '  fields: {text: "x", colour: "red"}\n'
        '  textless: {spoken: "x"}\n'
        "  listed: [x]\n"
        "bare: x\n"
    )
    assert faults_of(en=written("en", more)) == [
        "en.yaml:2:10: talk/empty is empty",
        'en.yaml:3:11: talk/number must be quoted: "42"',
        "en.yaml:4:3: a prompt's name is made of a-z and digits, with single underscores between",
        "en.yaml:6:3: 'twice' stands twice in group talk",
        "en.yaml:7:11: talk/arabic has the Arabic letter ك; write ک",
        f"en.yaml:8:9: talk/long has {MOST_CHARACTERS + 1} characters; at most {MOST_CHARACTERS} are allowed",
        "en.yaml:9:10: talk/edges must be one line without spaces around it",
        "en.yaml:10:23: talk/fields has no field 'colour'",
        "en.yaml:11:13: talk/textless needs 'text'",
        "en.yaml:12:11: talk/listed must be a mapping (name: value)",
        "en.yaml:13:7: group bare must be a mapping (name: value)",
    ]


def test_a_text_of_the_longest_length_is_fine() -> None:
    """The limit itself is allowed."""
    text = "x" * MOST_CHARACTERS
    catalogue = Catalogue.parse({"en": ("en.yaml", written("en", f'talk:\n  long: "{text}"\n'))})
    assert catalogue.text("en", "talk/long") == text


def test_a_text_missing_in_a_language_is_a_fault() -> None:
    """No caller meets silence because of the language they chose."""
    assert faults_of(en=written("en", 'talk:\n  hello: "Hello"\n'), fa=written("fa")) == [
        "fa.yaml:1:1: talk/hello is missing; en.yaml:2 has it"
    ]


def test_a_slip_in_the_yaml_is_the_only_fault() -> None:
    """The one line to be mended does not drown among the prompts that could not be read because of it."""
    slip = 'talk:\n  hello: "Hello"\n    text: "Hello"\n'
    assert faults_of(en=written("en", slip), fa=written("fa")) == [
        "en.yaml:3:5: not YAML: expected <block end>, but found '<block mapping start>'"
    ]


def test_a_missing_number_piece_is_a_fault() -> None:
    """Every amount can be said from the first day."""
    assert faults_of(fa=written("fa", without="number/100_o")) == [
        "fa.yaml:1:1: number/100_o is missing; its text is «صد و»"
    ]


def test_a_number_piece_keeps_its_text() -> None:
    """Nobody makes sixty say seventy."""
    (found,) = faults_of(en=written("en").replace('"60": "sixty"', '"60": "seventy"'))
    assert "number/60 must have the text «sixty»" in found


def test_a_number_piece_that_is_never_played_is_a_fault() -> None:
    """Nobody records in vain."""
    (found,) = faults_of(en=written("en").replace("number:\n", 'number:\n  "21": "twenty-one"\n'))
    assert "number/21 is no piece of any number" in found


def test_broken_yaml_is_one_fault_with_its_place() -> None:
    """A forgotten quote is found where it is."""
    assert faults_of(en='a:\n  b: "x\n')[0].startswith("en.yaml:")


def test_a_language_whose_numbers_we_do_not_know_is_a_fault() -> None:
    """The languages that work are named."""
    assert faults_of(xx='talk:\n  hello: "x"\n') == [
        f"xx.yaml:1:1: numbers cannot be said in 'xx'; known languages: {', '.join(LANGUAGES)}"
    ]


def test_an_empty_directory_and_a_file_that_is_no_text_are_faults(tmp_path: Path) -> None:
    """The message names what is missing."""
    with pytest.raises(Faults, match="no language here"):
        Catalogue.load(tmp_path)
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "catalogue.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Faults, match="cannot be read as UTF-8"):
        Catalogue.load(tmp_path)
