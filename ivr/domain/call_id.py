"""A call's own id as flows may use it: in texts, in SIP headers, in an order's number.

Law: letters, digits, `.`, `-` and `_` only, and never longer than MOST_CALL_ID.
"""

import re
from typing import Final

MOST_CALL_ID: Final = 40
"""Characters of a call's id; with the parts behind it an order's number still fits into a provider's field."""

_UNSAFE: Final = re.compile(r"[^0-9A-Za-z._-]")


def safe_call_id(call_id: str) -> str:
    """The id without what a header could stumble over. Of a longer one the end: that is what tells calls apart."""
    return _UNSAFE.sub("-", call_id)[-MOST_CALL_ID:]
