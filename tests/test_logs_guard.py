"""Log lines are static names with known fields: no digit that somebody keyed can slip into one.

Law: a new field is added to `FIELDS` by somebody who has thought about what it can hold.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "ivr"
LOGGERS = frozenset({"log", "_log"})
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "bind", "msg", "log"})

FIELDS = frozenset(
    # a bug's trace, and ids: each somebody's own number for a thing, never a caller's secret
    {"exc_info", "call_id", "leg_id", "payment_id", "payment_ids", "invoice_id", "pid"}
    # names from the configuration or from our own code
    | {
        "agent",
        "application",
        "entry",
        "exit",
        "flow",
        "name",
        "operation",
        "outcome",
        "provider",
        "queue",
        "step",
        "trunk",
        "type",
        "where",
    }
    # how something ended; `error` and `reason` are our own sentences, which hold no secret
    | {"error", "how", "seconds", "steps", "http_status", "over_http", "reason", "result", "state", "status", "why"}
    # a provider's own code and reference, through `plain`, where the books cannot take them
    | {"code", "reference"}
    # a digest of the dialplan's texts
    | {"version"}
    # requests to Asterisk: a path holds ids only
    | {"method", "path"}
    # figures
    | {"calls", "faults", "flows", "ms", "numbers", "size", "tries", "waiting"}
)


def test_every_log_call_is_a_static_name_with_known_fields() -> None:
    """Operators can rely on the names; nobody reads a card number in a log."""
    faults = [fault for path in sorted(SOURCE.rglob("*.py")) for fault in _faults(path.read_text("utf-8"), path)]
    assert faults == []


@pytest.mark.parametrize(
    "line",
    [
        'log.info(f"digits {digits}")',
        'log.info("digits " + digits)',
        'log.info("digits %s", digits)',
        'log.info("event", **event)',
        'log.info("event", digits=digits)',
        "log.info(name)",
        "log.info()",
        'self._log.error("Not a name")',
        "structlog.get_logger().bind(card=card)",
        'structlog.get_logger("x").bind(call_id=call_id).info("event", card=card)',
        "structlog.contextvars.bind_contextvars(card=card)",
        "bound_contextvars(**everything)",
    ],
)
def test_the_guard_sees(line: str) -> None:
    """The guard itself works."""
    assert list(_faults(line, Path("x.py"))) != []


@pytest.mark.parametrize(
    "line",
    [
        'log.info("digits_collected", step=step)',
        '_log.info("call_resumed" if resumed else "call_started", trunk=trunk)',
        "structlog.contextvars.bound_contextvars(call_id=call_id)",
        'dialogue.info("anything", of="somebody else")',
        "math.log(2)",
    ],
)
def test_the_guard_lets_pass(line: str) -> None:
    """What is written as it should be, and what is no log call."""
    assert list(_faults(line, Path("x.py"))) == []


def _faults(source: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        place = f"{path}:{node.lineno}"
        if _is_context(node.func):
            yield from _field_faults(node, place)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS and _is_logger(node.func.value):
            yield from _field_faults(node, place)
            if node.func.attr != "bind" and not (len(node.args) == 1 and _is_static(node.args[0])):
                yield f"{place}: a log line is one static name, small_letters_like_this"
        if isinstance(node.func, ast.Attribute) and node.func.attr == "bind" and _is_logger(node.func.value):
            yield from (f"{place}: a bound value has a name" for _ in node.args)


def _field_faults(node: ast.Call, place: str) -> Iterator[str]:
    for keyword in node.keywords:
        if keyword.arg is None:
            yield f"{place}: a log line names its fields, no **"
        elif keyword.arg not in FIELDS:
            yield f"{place}: '{keyword.arg}' is not on the list of fields"


def _is_logger(node: ast.expr) -> bool:
    """`log`, `self._log`, and what `get_logger(…)` and `bind(…)` return."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name in LOGGERS
        case ast.Call(func=ast.Attribute(attr="get_logger")):
            return True
        case ast.Call(func=ast.Attribute(attr="bind", value=value)):
            return _is_logger(value)
        case _:
            return False


def _is_context(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("bind_contextvars", "bound_contextvars")


def _is_static(node: ast.expr) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_static(node.body) and _is_static(node.orelse)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier()
