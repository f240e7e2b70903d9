"""What every provider says of its operations."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ivr.domain.operations import Operation, Role
from ivr.providers import inoti, paystar_mellat, paystar_saman, pod_operations, web_gateway

DOCUMENT = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
PROVIDERS = {
    "paystar_saman": paystar_saman.OPERATIONS,
    "paystar_mellat": paystar_mellat.OPERATIONS,
    "web_gateway": web_gateway.OPERATIONS,
    "pod": pod_operations.OPERATIONS,
    "inoti": inoti.OPERATIONS,
}


@pytest.mark.parametrize(("name", "operations"), PROVIDERS.items())
def test_each_operation_says_what_may_be_done_without_an_answer(name: str, operations: Mapping[str, Operation]) -> None:
    """May it be repeated, has it an inquiry, what makes it unknown; and the document for people has it too."""
    for operation in operations.values():
        assert operation.unknown_when, operation.name
        assert not (operation.role in (Role.CHARGE, Role.REVERSAL) and operation.repeatable)
        if operation.inquiry is not None:
            assert operations[operation.inquiry].role is Role.INQUIRY
        assert f"`{operation.name}`" in DOCUMENT
    assert f"| {name} |" in DOCUMENT


@pytest.mark.parametrize(("name", "operations"), PROVIDERS.items())
def test_results_come_by_exits_that_there_are(name: str, operations: Mapping[str, Operation]) -> None:
    """A flow is never promised what cannot come."""
    for operation in operations.values():
        assert operation.results_by_exit.keys() <= operation.exits
        for names in operation.results_by_exit.values():
            assert names <= operation.results.keys()
        assert operation.comes_with("unknown") == operation.comes_with("unreachable") == frozenset()
