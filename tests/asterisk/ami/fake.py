"""An AMI server on loopback that misbehaves on demand. It knows nothing of telephony."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.ami.events import AmiEvent, UserEvent
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import AmiSettings
from ivr.domain.secret import Secret

SECRET = "geheim-4711"
PATIENCE = 10.0
QUICK = Timing(request=1.0, first_pause=0.01, longest_pause=0.04, start=0.1)
Sent = dict[str, str]


def ok(action: Sent, more: str = "") -> str:
    return f"Response: Success\r\nActionID: {action['ActionID']}\r\n{more}\r\n"


BOOTED = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n"


def news(name: str, more: str = "") -> str:
    """A user event, as Asterisk says it."""
    return f"Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: {name}\r\n{more}\r\n"


class FakeAmi:
    """`answer` decides what is said to each action after the login; "" never replies."""

    def __init__(self) -> None:
        self.banner = "Asterisk Call Manager/11.0.0\r\n"
        self.answer: Callable[[Sent], str] = ok
        self.after_login = BOOTED
        self.drop_at_once = False
        self.actions: list[Sent] = []
        self.raw = b""
        self.connects = 0
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._news = asyncio.Event()

    def settings(self, secret: str = SECRET) -> AmiSettings:
        return AmiSettings("tester", Secret(secret), port=self.port)

    def push(self, text: str | bytes) -> None:
        """Say this over the newest connection."""
        self._writers[-1].write(text if isinstance(text, bytes) else text.encode())

    def drop(self) -> None:
        """Cut the newest connection without a word."""
        self._writers[-1].transport.abort()

    def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not ready():
                self._news.clear()
                await self._news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        self._writers.append(writer)
        self._news.set()
        if self.drop_at_once:
            writer.transport.abort()
            return
        writer.write(self.banner.encode())
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                data = await reader.readuntil(b"\r\n\r\n")
                self.raw += data
                fields = [line.partition(": ") for line in data.decode().split("\r\n") if line]
                self._take({key: value for key, _, value in fields}, writer)
        writer.close()

    def _take(self, action: Sent, writer: asyncio.StreamWriter) -> None:
        if action["Action"] != "Login":
            self.actions.append(action)
            writer.write(self.answer(action).encode())
        elif action["Secret"] == SECRET:
            writer.write((ok(action) + self.after_login).encode())
        else:
            said = f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: Authentication failed\r\n\r\n"
            writer.write(said.encode())
        self._news.set()


class Seen:
    """What the client called back with, in its order: events, and the words connected and gap."""

    def __init__(self) -> None:
        self.all: list[AmiEvent | str] = []
        self.news = asyncio.Event()

    def say(self, what: AmiEvent | str) -> None:
        self.all.append(what)
        self.news.set()
        if isinstance(what, UserEvent) and what.name == "Bug":
            raise KeyError("a bug in a handler")

    def names(self) -> list[str]:
        """User events by their names, the others by their types."""
        return [
            one if isinstance(one, str) else one.name if isinstance(one, UserEvent) else type(one).__name__
            for one in self.all
        ]

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not ready():
                self.news.clear()
                await self.news.wait()

    async def of(self, kind: type[AmiEvent]) -> AmiEvent:
        """The next event of this type; it is then forgotten."""
        await self.until(lambda: any(isinstance(one, kind) for one in self.all))
        found = next(one for one in self.all if isinstance(one, kind))
        self.all.remove(found)
        return found


def client_for(settings: AmiSettings, seen: Seen, timing: Timing = QUICK) -> AmiClient:
    return AmiClient(
        settings,
        on_event=seen.say,
        on_connected=lambda: seen.say("connected"),
        on_gap=lambda: seen.say("gap"),
        timing=timing,
    )


@asynccontextmanager
async def serving() -> AsyncIterator[FakeAmi]:
    fake = FakeAmi()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        fake.close()
        await server.wait_closed()


@asynccontextmanager
async def connected(timing: Timing = QUICK) -> AsyncIterator[tuple[FakeAmi, AmiClient, Seen]]:
    async with serving() as fake:
        seen = Seen()
        client = client_for(fake.settings(), seen, timing)
        await client.start()
        try:
            yield fake, client, seen
        finally:
            await client.close()
