"""The check that merchants' developers are shown accepts what we sign, and nothing else."""

import time
from typing import Any

from ivr.domain.secret import Secret
from ivr.runtime.signing import SIGNATURE, TIMESTAMP, signed
from tests.deployment import ROOT

SECRET = "secret-of-the-shops-webhook"
BODY = b'{"id": 1204}'


def test_the_documented_check() -> None:
    """As it stands in docs/api.md; changed bodies, other secrets and old times are refused."""
    code = (ROOT / "docs" / "api.md").read_text("utf-8").split("```python\n")[1].split("```")[0]
    shown: dict[str, Any] = {}
    exec(code, shown)  # noqa: S102 - our own documentation
    is_ours = shown["is_ours"]
    headers = signed(Secret(SECRET), time.time(), BODY)
    assert set(headers) == {TIMESTAMP, SIGNATURE}
    assert is_ours(SECRET, headers, BODY)
    assert not is_ours(SECRET, headers, BODY + b" ")
    assert not is_ours("another", headers, BODY)
    assert not is_ours(SECRET, {**headers, TIMESTAMP: str(int(headers[TIMESTAMP]) - 1)}, BODY)
    assert not is_ours(SECRET, signed(Secret(SECRET), time.time() - 3600, BODY), BODY)
