"""What editors are told about flows and numbers.yaml (`dialplan/schema`) is what the readers take.

The schemas are kept by hand. Here every reader tells which fields it asked for while it read all that is known to be
worth reading, and no call in its source may name a field that was never asked for.
"""

import ast
import json
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, Final

import jsonschema
import pytest
import yaml

from ivr.domain.reading import Faults, Fields
from ivr.flow.loader import KINDS, load_dialplan
from ivr.flow.steps.base import Reading
from tests.flow.test_bad_flows import BAD, expected
from tests.flow.test_random_kinds import CARDS, EVERYTHING
from tests.flow.world import BANK_DIALPLAN, DIALPLAN, ROOT, world

FLOW: Final[dict[str, Any]] = json.loads((DIALPLAN / "schema" / "flow.json").read_text("utf-8"))
NUMBERS: Final[dict[str, Any]] = json.loads((DIALPLAN / "schema" / "numbers.json").read_text("utf-8"))
SERVICES: Final[dict[str, Any]] = json.loads((DIALPLAN / "schema" / "ussd.json").read_text("utf-8"))

FLOWS: Final = (*DIALPLAN.glob("flows/*.yaml"), *BANK_DIALPLAN.glob("flows/*.yaml"))


def plain(node: yaml.Node) -> Any:
    """A document as editors see it: names are texts, whatever YAML 1.1 makes of `no`."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    return yaml.constructor.SafeConstructor().construct_object(node, deep=True)


def document(text: str) -> Any:
    """Of a file's text."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return plain(root) if root is not None else None


def complaints(text: str, schema: dict[str, Any]) -> list[str]:
    """What an editor would underline."""
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document(text))]


# -- what is right is not underlined -----------------------------------------------------------------------------------


def test_the_schemas_are_schemas() -> None:
    """Of the draft that they name, and every reference leads somewhere."""
    for schema in (FLOW, NUMBERS, SERVICES):
        jsonschema.Draft202012Validator.check_schema(schema)
        for reference in re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)):
            assert reference in schema["$defs"]


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_shipped_flows(path: Path) -> None:
    """Nothing in them is underlined."""
    assert complaints(path.read_text("utf-8"), FLOW) == []


@pytest.mark.parametrize("path", [DIALPLAN / "numbers.yaml", BANK_DIALPLAN / "numbers.yaml"], ids=str)
def test_shipped_numbers(path: Path) -> None:
    """Nor in the numbers."""
    assert complaints(path.read_text("utf-8"), NUMBERS) == []


def test_shipped_services() -> None:
    """Nor in the USSD services, those included that wait behind a `#`."""
    text = (DIALPLAN / "ussd.yaml").read_text("utf-8")
    every = re.sub(r"^  # (?=  |\w+:$)", "  ", text, flags=re.MULTILINE)
    assert len(document(every)["services"]) > len(document(text)["services"])
    assert complaints(text, SERVICES) == [] == complaints(every, SERVICES)


@pytest.mark.parametrize("path", sorted(DIALPLAN.rglob("*.yaml")), ids=lambda path: path.stem)
def test_editors_find_the_schema(path: Path) -> None:
    """The first line of every shipped file leads to its schema."""
    name = path.read_text("utf-8").splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    schema = {"numbers": NUMBERS, "ussd": SERVICES}.get(path.stem, FLOW)
    assert json.loads((path.parent / name).read_text("utf-8")) == schema


def test_examples_for_admins() -> None:
    """Every flow, step and numbers.yaml that the admins' reference shows."""
    shown = list(examples())
    assert {name for name, _, _ in shown} == {"flow", "steps", "numbers", "services"} and len(shown) >= 6
    for _, text, schema in shown:
        assert complaints(text, schema) == [], text


def test_everything_that_can_be_written() -> None:
    """Flows with every kind."""
    for text in (EVERYTHING, CARDS, (ROOT / "tests" / "flow" / "every_kind.yaml").read_text("utf-8"), ODD):
        assert complaints(text, FLOW) == []


def examples() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What the reference shows: (flow, steps or numbers; the text; its schema)."""
    for found in re.findall(r"```yaml\n(.*?)```", (DIALPLAN / "README.md").read_text("utf-8"), re.DOTALL):
        text = dedent(found) if found.startswith("   ") else found  # beneath a list's number
        if text.startswith("flow:"):
            yield "flow", text, FLOW
        elif text.startswith("  "):
            yield "steps", f"flow: x\nfirst: a\non_failure: a\nsteps:\n{text}", FLOW
        elif text.startswith("services:"):
            yield "services", text, SERVICES
        elif "numbers:" in text:
            yield "numbers", text, NUMBERS


# -- what is wrong is --------------------------------------------------------------------------------------------------


WORDS: Final = ("has no field", "must be quoted", "must be a duration", "must be a whole number", "does nothing")
"""What an editor can know as well as `ivr check`."""


STRANGE: Final = ("itself", "not_a_text", "strange_tag")
"""YAML that no editor makes values of."""


def wrong_files() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Files with such a fault."""
    for path in sorted(BAD.rglob("*.yaml")):
        if path.stem not in STRANGE and any(word in line for line in expected(path) for word in WORDS):
            yield path, NUMBERS if path.parent.name == "numbers" else FLOW


@pytest.mark.parametrize(("path", "schema"), list(wrong_files()), ids=lambda value: getattr(value, "stem", ""))
def test_bad_flows(path: Path, schema: dict[str, Any]) -> None:
    """Misspelt fields and values of the wrong form are underlined."""
    assert complaints(path.read_text("utf-8"), schema) != []


def test_there_are_such_files() -> None:
    """Not that nothing was tried."""
    assert len(list(wrong_files())) >= 8


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("finish_key", "finishkey"),
        ("barge_in", "bargein"),
        ("trunk: bank", "trunks: bank"),
        ("{amount: m}", "{amuont: m}"),
        ("at_most", "atmost"),
        ("exits:", "exit:"),
        ("merchant_id: t", "merchant_id: 1"),
        ('"{merchant_phone}"', "1234"),
        ("20s", "20"),
        ("hang_up: unavailable", "hang_up: gone"),
        ("queue: sales", "queue: 1"),
        ("wait: 40s", "wait: 40"),
        ("otherwise: pay/paid", "else: pay/paid"),
        ("header: X-Invoice-Id", "headers: X-Invoice-Id"),
    ],
)
def test_slips(right: str, wrong: str) -> None:
    """One slip in a good flow."""
    good = (ROOT / "tests" / "flow" / "every_kind.yaml").read_text("utf-8").replace("attempts: 2", 'finish_key: "*"')
    assert right in good
    assert complaints(good, FLOW) == [] and complaints(good.replace(right, wrong), FLOW) != []


# -- field by field ----------------------------------------------------------------------------------------------------

ODD: Final = """flow: odd
about: what no other flow here says
settings: [merchant_phone]
takes: {amount: amount}
gives: [n]
first: a
on_failure: b
steps:
  a: {ask: {prompt: x, save: a, form: amount, unit: toman, min: 1, max: 5}, next: b}
  b: {ask: {prompt: x, save: b, form: date, year_digits: 2, first_year: 1350}, next: c}
  c: {ask: {prompt: x, save: c, pattern: [09XX], twice: true, mismatches: 1, mismatch_prompt: x, again_prompt: x}}
  d: {choose: {value: c, cases: [{is: "1", begins: ["2"], from: 1, to: 2, then: a}], otherwise: a, missing: b}}
  e: {set: {p: "x", q: {digits: "1"}, r: {amount: 5, unit: rial}, s: {text: "x"}, t: {amount: r}}, next: a}
  f: {say: {prompt: [{last_four: a}, {mobile: a}, {date: a}, {language: fa, prompt: x}], barge_in: false}, next: a}
  g: {dial: {trunk: bank, number: "1", caller_id: "1", payment: {provider: p, invoice: a, transaction: b, amount: c}}}
  h: {return: got}
  i: {call: {flow: x}}
"""
"""Fields that only some forms have. It cannot be called; its fields can be read."""

ODD_NUMBERS: Final = """numbers:
  - {number: "1", flow: good, hours: x, closed: {flow: good, settings: {a: "1"}}, most_calls: 1, full: busy,
     afterwards: {flow: good}}
holidays: [{date: "01-01", days: 1, name: x}, {jalali: "01-01"}]
hours: {x: {sat: "08:00-12:00"}}
timezone: Asia/Tehran
"""

FREE: Final = ("headers", "set")
"""Kinds whose names are the admin's own."""


@cache
def defaults() -> frozenset[tuple[str, str, Any]]:
    """(what was read, field, default) wherever a reader has one; a duration in seconds."""
    found: set[tuple[str, str, Any]] = set()
    world()
    with pytest.MonkeyPatch.context() as patch:
        scalar, prompts = Fields._scalar, Reading.prompts

        def told(self: Fields, name: str, default: Any, read: Any, stand_in: Any) -> Any:
            found.add((_what(self), name, default))
            return scalar(self, name, default, read, stand_in)

        def told_prompts(self: Reading, fields: Fields, name: str, default: str, attempts: int) -> Any:
            found.add((_what(fields), name, default))
            return prompts(self, fields, name, default, attempts)

        patch.setattr(Fields, "_scalar", told)
        patch.setattr(Reading, "prompts", told_prompts)
        _read_everything()
    return frozenset(found)


@cache
def asked() -> Mapping[str, frozenset[str]]:
    """What every reader asked for, by what it was reading."""
    found: dict[str, set[str]] = defaultdict(set)
    world()  # reads files of its own
    with pytest.MonkeyPatch.context() as patch:
        has = Fields.has

        def told(self: Fields, name: str) -> bool:
            found[_what(self)].add(name)
            return has(self, name)

        patch.setattr(Fields, "has", told)
        _read_everything()
    return {what: frozenset(names) for what, names in found.items()}


def _what(fields: Fields) -> str:
    """`step 'a'` is a `step`."""
    return fields.what if fields.what.startswith("'") else fields.what.partition(" '")[0]


def _read_everything() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "flows").mkdir()
        odd = {"everything": EVERYTHING, "cards": CARDS, "odd": ODD}
        odd |= {path.stem: path.read_text("utf-8") for path in (*FLOWS, ROOT / "tests" / "flow" / "every_kind.yaml")}
        for name, text in odd.items():
            (directory / "flows" / f"{name}.yaml").write_text(text, "utf-8")
        (directory / "numbers.yaml").write_text(ODD_NUMBERS, "utf-8")
        (directory / "ussd.yaml").write_text(ODD_SERVICES, "utf-8")
        with pytest.raises(Faults):
            load_dialplan(directory, world())


ODD_SERVICES: Final = """services:
  one: {code: ["*6655*123#", "*123*6655#"], flow: odd, language: en, settings: {merchant_phone: "1"}}
"""

SCHEMA_OF: Final[Mapping[str, tuple[str | int, ...]]] = {
    "the flow": (),
    "step": ("$defs", "step"),
    **{kind: ("$defs", "step", "properties", kind) for kind in KINDS if kind not in ("return", "hang_up", *FREE)},
    "the payment": ("$defs", "step", "properties", "dial", "properties", "payment"),
    "a case": ("$defs", "step", "properties", "choose", "properties", "cases", "anyOf", 1, "items"),
    "what a call brings as": ("properties", "brings", "additionalProperties"),
    "the header of": ("$defs", "step", "properties", "headers", "additionalProperties"),
    "the value of": ("$defs", "step", "properties", "set", "additionalProperties"),
    "a spoken value": ("$defs", "part"),
    "ussd.yaml": (),
    "service": ("properties", "services", "additionalProperties"),
    "numbers.yaml": (),
    "a number": ("properties", "numbers", "items"),
    "a holiday": ("properties", "holidays", "items"),
    "'closed'": ("properties", "numbers", "items", "properties", "closed"),
    "'afterwards'": ("properties", "numbers", "items", "properties", "afterwards"),
}
"""What a reader says it reads -> where the schema speaks of it."""


OF_SERVICES: Final = ("ussd.yaml", "service")
OF_NUMBERS: Final = ("numbers.yaml", "a number", "a holiday", "'closed'", "'afterwards'")


def in_schema(what: str) -> set[str]:
    """The fields that the schema knows there."""
    return set(_own(_schema_of(what)))


def _schema_of(what: str) -> dict[str, Any]:
    schema: Any = NUMBERS if what in OF_NUMBERS else SERVICES if what in OF_SERVICES else FLOW
    for part in SCHEMA_OF[what]:
        schema = schema[part]
    assert isinstance(schema, dict)
    return schema


def test_defaults() -> None:
    """Where the schema names a default it is the reader's."""
    taken = {
        (what, name, f"{value:g}s" if isinstance(value, float | int) else value) for what, name, value in defaults()
    }
    named = 0
    for what in SCHEMA_OF:
        for name, field in _schema_of(what).get("properties", {}).items():
            if "default" in field:
                named += 1
                value = field["default"]
                known = taken if isinstance(value, str) and value.endswith("s") and value[0].isdigit() else defaults()
                assert (what, name, value) in known, f"{name} of {what}"
    assert named > 40


def _own(schema: Mapping[str, Any]) -> Iterator[str]:
    """Fields of a mapping, and of every form that it may have."""
    yield from schema.get("properties", {})
    for form in schema.get("anyOf", ()):
        yield from _own(form)


@pytest.mark.parametrize("what", SCHEMA_OF)
def test_fields(what: str) -> None:
    """An editor offers what the reader takes, and nothing else."""
    short = {"say"} if what == "say" else set()  # `say: prompt` is read as if it were a field of itself
    assert in_schema(what) == asked()[what] - short


def test_nothing_is_read_that_the_schema_does_not_speak_of() -> None:
    """A new reader needs its place in SCHEMA_OF; what is left over has names of the admin's own."""
    free = {"the steps", "the exits of", "what the provider gets", "what the flow gets", "what the flow takes"}
    free |= {"the menu's keys", "the language's keys", "the cases", "the SIP headers", "the notice's values"}
    free |= {"the words of the keys", "the services"}
    free |= {"the registration's values"}
    free |= {"the settings", "'hours'", "the hours", "the prompts", *FREE}
    assert set(asked()) - free == set(SCHEMA_OF) - {"'full'"}


SOURCES: Final = (*(ROOT / "ivr/flow/steps").glob("*.py"), *(ROOT / "ivr/flow").glob("*.py"))


def test_every_field_in_the_source_was_read() -> None:
    """No branch of a reader takes a field that nobody tried above."""
    named = {name for path in SOURCES for name in _named(ast.parse(path.read_text("utf-8")))}
    assert len(named) > 60
    assert named - {name for names in asked().values() for name in names} == set()


def _named(tree: ast.AST) -> Iterator[str]:
    """Texts that are handed to `fields.…("name")` and `reading.…(fields, "name")`."""
    readers = {name for name in vars(Fields) if not name.startswith("_")} - {"blame", "names", "done"}
    readers |= {"say", "prompts", "prompt", "template", "reference", "provider", "language"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in readers:
            first = node.args[:2] if "reading" in ast.dump(node.func.value) else node.args[:1]
            yield from (arg.value for arg in first if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
