"""Who watches an agent's call: what they are told first, what they lose, and that nobody is kept for ever."""

import pytest

from ivr.flow.progress import Progress
from ivr.runtime import watching as watching_module
from ivr.runtime.watching import MOST_NEWS, Watching


def progress(keyed: int) -> Progress:
    return Progress("1.2", "f", "s", "card", keyed, 16, private=True, over=False)


async def test_what_there_is_and_what_comes() -> None:
    """The last first; what does not change is not told again."""
    watching = Watching()
    assert watching.last("sara") is None
    watching.show("sara", progress(1))
    news = watching.news("sara")
    assert await anext(news) == progress(1)
    watching.show("sara", progress(1))
    watching.show("mina", progress(5))
    watching.show("sara", progress(2))
    assert await anext(news) == progress(2) == watching.last("sara")
    await news.aclose()


async def test_who_is_too_slow() -> None:
    """Loses the oldest, never the newest."""
    watching = Watching()
    watching.show("sara", progress(0))
    news = watching.news("sara")
    await anext(news)
    for keyed in range(1, MOST_NEWS + 11):
        watching.show("sara", progress(keyed))
    assert (await anext(news)).keyed == 11
    for _ in range(MOST_NEWS - 2):
        await anext(news)
    assert (await anext(news)).keyed == MOST_NEWS + 10
    await news.aclose()


async def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """All agents together; one more is told nothing at all, one who goes makes room."""
    monkeypatch.setattr(watching_module, "MOST_WATCHERS", 1)
    watching = Watching()
    watching.show("sara", progress(1))
    watching.show("mina", progress(2))
    first = watching.news("sara")
    await anext(first)
    assert watching.full and [one async for one in watching.news("mina")] == []
    await first.aclose()
    assert not watching.full
    second = watching.news("mina")
    assert await anext(second) == progress(2)
    await second.aclose()
