"""Keys that Asterisk reports twice."""

from ivr.asterisk.ari.keys import Keys

REAL = (
    # digit, duration, time: as Asterisk 22 reported "1234" while a prompt ended within the 2
    ("1", 160, "2026-11-22T08:55:03.435+0000"),
    ("2", 140, "2026-11-22T08:55:03.596+0000"),
    ("3", 100, "2026-11-22T08:55:03.756+0000"),
    ("3", 100, "2026-11-22T08:55:03.781+0000"),
    ("4", 100, "2026-11-22T08:55:03.917+0000"),
    ("4", 100, "2026-11-22T08:55:03.926+0000"),
)
ENDED = "2026-11-22T08:55:03.570+0000"


def test_echoes_are_dropped() -> None:
    """Who begins to key at the very end of a question has keyed each digit once."""
    keys = Keys()
    taken = []
    for digit, duration, timestamp in REAL:
        if timestamp > ENDED:
            keys.playback_ended(ENDED)
        if not keys.is_echo(digit, duration, timestamp):
            taken.append(digit)
    assert taken == ["1", "2", "3", "4"]


def test_same_key_twice_is_two_keys() -> None:
    """A zero pressed twice right after a question ended is two zeros."""
    keys = Keys()
    keys.playback_ended(ENDED)
    times = ("03.600", "03.760", "03.920", "04.080")
    assert not any(keys.is_echo("0", 100, f"2026-11-22T08:55:{time}+0000") for time in times)


def test_nothing_is_dropped_away_from_a_prompt() -> None:
    """Reports that a busy Asterisk makes late and in a heap are believed while no prompt has just ended."""
    keys = Keys()
    keys.playback_ended("2026-11-22T08:55:00.000+0000")
    assert not any(keys.is_echo("0", 100, "2026-11-22T08:55:03.600+0000") for _ in range(5))


def test_without_a_time_everything_is_believed() -> None:
    """An Asterisk that does not say when loses no key."""
    keys = Keys()
    assert not any(keys.is_echo("0", 100, "") for _ in range(5))
