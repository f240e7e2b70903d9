"""ussd.yaml -> which short code runs which flow on screens.

Law: as in numbers.yaml, everything that is wrong is reported at once with its place. A dialplan without the file has no
USSD services.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.reading import Fields, Source, read_text
from ivr.flow.model import Flow, Service, World
from ivr.flow.numbers import Known, read_detour

MOST_CODE_PARTS: Final = 6
MOST_PART: Final = 8
MOST_CODES: Final = 8
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class ReadService:
    """A service and where it stands."""

    service: Service
    fields: Fields


def read_services(
    source: Source, text: str, flows: dict[str, Flow], broken: set[str], world: World
) -> list[ReadService]:
    """Every service, as far as it can be read; faults go to the source."""
    root = source.compose(text)
    if root is None:
        return []
    top = Fields(source, root, "ussd.yaml")
    services = top.fields("services", "the services", required=False)
    top.done()
    known = Known(flows, broken, world, {})
    found = []
    for name, key, node in services.names():
        if not _NAME.fullmatch(name):
            source.blame(key, f"'{name}' is not a service's name: small letters a-z, digits, - and _ only")
        fields = Fields(source, node, f"service '{name}'")
        found.append(ReadService(_service(name, fields, known), fields))
        fields.done()
    _check_clashes(found)
    return found


def _check_clashes(found: Sequence[ReadService]) -> None:
    """A code that two services have: only one of them could be what is dialled."""
    first: dict[tuple[str, ...], str] = {}
    for read in found:
        for code in read.service.codes:
            if (other := first.setdefault(code, read.service.name)) != read.service.name:
                read.fields.blame(f"*{'*'.join(code)}# is the code of service '{other}'", "code")


def _service(name: str, fields: Fields, known: Known) -> Service:
    languages = sorted(known.world.prompts)
    run = read_detour(fields, known, {})
    return Service(
        name=name,
        codes=_codes(fields),
        flow=run.flow,
        language=fields.one_of("language", languages, "fa" if "fa" in languages else None),
        settings=run.settings,
    )


def _codes(fields: Fields) -> Sequence[tuple[str, ...]]:
    """`code: "*6655*123#"`, or a list of the ways in which the network may write it."""
    node = fields.value("code")
    if node is None:
        return ()
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    codes: list[tuple[str, ...]] = []
    for item in items:
        text = read_text(fields.source, item, "'code'")
        if text is None:
            continue
        parts = code_parts(text)
        if not 1 <= len(parts) <= MOST_CODE_PARTS or not all(
            is_digits(part) and len(part) <= MOST_PART for part in parts
        ):
            fields.source.blame(item, f"'{text}' is no short code: write it as it is dialled, e.g. \"*6655*123#\"")
        elif parts in codes:
            fields.source.blame(item, f"'{text}' stands twice")
        else:
            codes.append(parts)
    if not items or len(items) > MOST_CODES:
        fields.blame(f"a service has 1 to {MOST_CODES} codes", "code")
    return codes


def _is_part(text: str) -> bool:
    return is_digits(text) and len(text) <= MOST_PART


def code_parts(text: str) -> tuple[str, ...]:
    """What stands between the stars of a dialled string; a leading star, hashes and blanks say nothing."""
    plain = "".join(to_ascii(text).replace("#", "").split()).removeprefix("*")
    return tuple(plain.split("*")) if plain else ()
