"""A process that starts an instance, tells its process id and waits to be killed. Run by a test."""

import asyncio
import sys
from pathlib import Path

from ivr.asterisk.settings import Ari, AsteriskSettings
from ivr.domain.secret import Secret
from ivr.lab.addresses import free_port, sip_port
from ivr.lab.asterisk import Instance, ensure_asterisk


async def main(home: Path, address: str) -> None:
    instance = Instance(ensure_asterisk(), "orphan", home)
    ari = Ari(f"http://{address}:{free_port(address, 8088)}", "ivr", Secret("x"))
    instance.configure(AsteriskSettings(ari, "/nowhere", sip_bind=f"{address}:{sip_port(address)}"))
    await instance.start()
    sys.stdout.write(f"{instance.pid}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
