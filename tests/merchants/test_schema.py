"""The API is what its OpenAPI says: generated requests to the served application find nothing to complain about."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from tests.merchants.shop import Program
from tests.merchants.test_registrations import registers
from tests.merchants.world import TILL, Api
from tests.serving import serving

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = "15"


async def complaints(url: str, home: Path, settings: str = "") -> str:
    """What a run against this address finds; empty: nothing. It leaves what it keeps in `home`."""
    config = home / "schemathesis.toml"
    config.write_text(settings)
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
        *("run", f"{url}/api/openapi.json", "--checks", "all", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", EXAMPLES, "--generation-deterministic", "--continue-on-failure", "--request-timeout", "20"),
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.merchants.own_keys", "PYTHONPATH": str(ROOT)},
        cwd=home,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return "" if process.returncode == 0 else out.decode()


async def test_nothing_is_found(api: Api, till: Program, tmp_path: Path) -> None:
    """No fault of ours, no undeclared answer, nothing accepted that is wrong or refused that is right."""
    made = await till.invoice()
    await registers(api.store.registrations, "48213")
    settings = f'[auth.openapi.HTTPBearer]\nbearer = "{TILL}"\n[parameters]\n"path.invoice_id" = "{made["id"]}"\n'
    found = await complaints(api.url, tmp_path, settings)
    assert not found, found
    assert (await till.get(f"/invoices/{made['id']}")).status_code == 200


async def test_it_would_be_found(tmp_path: Path) -> None:
    """The same run complains of a route that answers otherwise than it says."""
    app = FastAPI(openapi_url="/api/openapi.json")

    @app.get("/broken")
    async def broken(number: int) -> dict[str, int]:
        return {"number": 10 // (number % 2)}

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        async with serving(app, listener):
            found = await complaints(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path)
    assert "Server error" in found
