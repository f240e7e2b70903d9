"""`ivr merchants`: what merchants were told of, and telling it again. Beside a running `ivr serve` or without one."""

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ivr.config import DEFAULT_FILE, Settings, load_settings
from ivr.domain.errors import BadInput
from ivr.domain.reading import did_you_mean
from ivr.runtime.merchant_views import event_body
from ivr.store.opening import open_merchants
from ivr.store.registration_deliveries import StoredRegistrationDeliveries
from ivr.terminal import ConfigOption, one_line_errors, say

merchants = typer.Typer(help="Merchants whose programs use the API.", no_args_is_help=True)

AfterOption = Annotated[int, typer.Option(min=0, help="The id of an event; 0: from the beginning.")]
NameArgument = Annotated[str, typer.Argument(help="The merchant, as the configuration names it.")]


@merchants.command("events", epilog="Example: ivr merchants events shop --after 1200")
def events(
    name: NameArgument,
    after: AfterOption = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """What the merchant is told of, oldest first: one event a line, as JSON."""
    with one_line_errors():
        for event in asyncio.run(_events(_settings(config, name), name, after, limit)):
            say(json.dumps(event, ensure_ascii=False))


@merchants.command("replay", epilog="Example: ivr merchants replay shop --after 1200")
def replay(
    name: NameArgument,
    after: AfterOption,
    registrations: Annotated[
        bool, typer.Option("--registrations", help="What callers registered, after the registration of this id.")
    ] = False,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Deliver every event after this one again; the running `ivr serve` does it. Prints how many."""
    with one_line_errors():
        say(str(asyncio.run(_replay(_settings(config, name), name, after, registrations))))


def _settings(config: Path, name: str) -> Settings:
    settings = load_settings(config, credentials=False)
    if name not in settings.merchants:
        raise BadInput(f"there is no merchant '{name}'{did_you_mean(name, settings.merchants)}")
    return settings


async def _events(settings: Settings, name: str, after: int, limit: int) -> list[dict[str, Any]]:
    async with open_merchants(settings.storage, time.time, settings.shared) as (books, _, _):
        return [event_body(event) for event in await books.events(name, after, limit)]


async def _replay(settings: Settings, name: str, after: int, registrations: bool) -> int:
    if settings.merchants[name].webhook is None:
        raise BadInput(f"merchant '{name}' has no webhook")
    async with open_merchants(settings.storage, time.time, settings.shared) as (_, deliveries, books):
        if registrations:
            words = {name: settings.merchants[name].registrations}
            return await StoredRegistrationDeliveries(books.database, time.time, words).replay(name, after)
        return await deliveries.replay(name, after)
