"""What the merchants' API answers when something is wrong: problem details (RFC 9457).

Law: a field is named, its value never is; a name that is none of ours is not repeated either.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from ivr.runtime.merchant_views import Why

CONTENT_TYPE: Final = "application/problem+json"
_TYPES: Final = "urn:ivr:problem:"

CLOSING_SECONDS: Final = 5
"""After which somebody who came at the end of a process asks again."""

STATUSES: Final[Mapping[Why, int]] = {
    Why.NOT_FOUND: 404,
    Why.NOT_YOURS: 403,
    Why.KEY_REUSED: 422,
    Why.IN_PROGRESS: 409,
    Why.ALREADY_PAID: 409,
    Why.BEING_PAID: 409,
    Why.UNRESOLVED: 409,
    Why.NOT_POSSIBLE: 409,
    Why.REFUSED: 409,
    Why.SILENT: 502,
    Why.UNREACHABLE: 503,
    Why.CLOSING: 503,
}
"""What a refusal is in HTTP."""


class Fault(BaseModel):
    """One field that is wrong."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Where: `body.amount_rial`, `header.Idempotency-Key`.")
    problem: str


class Problem(BaseModel):
    """What is wrong. `type` is for programs, `detail` for people."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="`urn:ivr:problem:…`")
    title: str
    status: int
    detail: str
    errors: list[Fault] = Field(default=[], description="The fields that are wrong, where that is what is wrong.")


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer."""
    content: dict[str, Any] = {
        "type": _TYPES + kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": list(errors),
    }
    return JSONResponse(content, status, headers, CONTENT_TYPE)


def closing() -> JSONResponse:
    """To whoever comes while the process ends: nothing was begun, and another connection leads to the next one."""
    headers = {"Connection": "close", "Retry-After": str(CLOSING_SECONDS)}
    return problem(
        STATUSES[Why.CLOSING], Why.CLOSING.value, "the service is being restarted: ask again", headers=headers
    )


def faults(found: Iterable[Mapping[str, Any]], known: Collection[str]) -> list[dict[str, str]]:
    """What pydantic found, without what it was given. `known`: the names that may be repeated."""
    errors = []
    for one in found:
        place, *path = one["loc"] or ("body",)
        if one["type"] == "json_invalid":
            path = []
        parts = [str(part) if isinstance(part, int) or part in known else "…" for part in path]
        errors.append({"field": ".".join([str(place), *parts]), "problem": str(one["msg"])})
    return errors
