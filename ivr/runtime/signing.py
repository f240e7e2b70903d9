"""How whoever we tell something can know that it was we: HMAC-SHA256 over the time and the body.

Law: the signature is made anew for each try, over the bytes that leave. Who checks it refuses old times, so that nobody
can send a captured one again much later.
"""

import hashlib
import hmac
from typing import Final

from ivr.domain.secret import Secret

TIMESTAMP: Final = "X-Ivr-Timestamp"
SIGNATURE: Final = "X-Ivr-Signature"


def signed(secret: Secret | None, now: float, body: bytes) -> dict[str, str]:
    """Headers: the time of this try in Unix seconds, and HMAC-SHA256 over `<time>.<body>` in hexadecimal.

    Without a secret there is the time alone.
    """
    time = str(int(now))
    if secret is None:
        return {TIMESTAMP: time}
    signature = hmac.new(secret.reveal().encode(), f"{time}.".encode() + body, hashlib.sha256)
    return {TIMESTAMP: time, SIGNATURE: signature.hexdigest()}
