"""What USSD is measured against: a bare FastAPI endpoint that takes the same parameters and always says the same.

Law: it is served exactly as `ivr serve` serves: the same server, loop and settings.

Run as `python -m ivr.lab.bench.ussd_bare PORT`.
"""

import gc
import socket
import sys
from typing import Final

import uvloop
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from ivr.app import GC_THRESHOLD, serve_web
from ivr.runtime.logs import configure_logs

TEXT: Final = "لطفا کد ثبت نام خود را وارد نمایید"


def app() -> FastAPI:
    """The application."""
    bare = FastAPI(openapi_url=None)

    @bare.get("/ussd/{service}", response_class=PlainTextResponse)
    async def screen(service: str, mobile: str, sessionid: str, call: str) -> str:
        return TEXT

    return bare


def main() -> None:
    """Serve it until killed."""
    configure_logs()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(sys.argv[1])))
        served = app()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 20)
        listener.listen()
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        uvloop.run(serve_web(listener, served))


if __name__ == "__main__":
    main()
