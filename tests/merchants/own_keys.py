"""For schemathesis: each generated request has an Idempotency-Key of its own, where it has a right one at all.

The same key with another body is refused, as it should be, and that is tested elsewhere.
"""

import re
import uuid
from typing import Any

import schemathesis

_RIGHT = re.compile(r"[0-9A-Za-z._:-]{1,64}")


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Any, kwargs: dict[str, Any]) -> None:
    for name, value in (case.headers or {}).items():
        if name.lower() == "idempotency-key" and _RIGHT.fullmatch(str(value)):
            case.headers[name] = uuid.uuid4().hex
