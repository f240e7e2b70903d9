"""What SIP keeps for itself. A flow is checked against it when it is written, and a leg again before it is dialled."""

import string
from typing import Final

RESERVED_HEADERS: Final = frozenset(
    {"accept", "allow", "authorization", "call-id", "contact", "content-length", "content-type", "cseq", "expires"}
    | {"from", "i", "k", "l", "m", "max-forwards", "p-asserted-identity", "proxy-authorization", "record-route"}
    | {"require", "route", "s", "session-expires", "supported", "t", "to", "user-agent", "v", "via"}
)
"""Headers that SIP itself lives by, in small letters, short forms included: nobody may add a second one."""

CALLER_ID_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "*#+")
"""Without `.` and `-`: Asterisk removes them from a caller id's number."""
