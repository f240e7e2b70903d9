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


def test_every_key_of_a_card_counts_once() -> None:
    """A card keyed into a question on a busy machine: as reported, with the echoes as late as they came."""
    keys = Keys()
    keys.playback_ended("2026-11-22T09:09:54.585+0000")
    times = "54.647 54.775 54.894 54.933 55.040 55.094 55.186 55.254 55.333 55.415 55.567 55.579 55.713 55.740 55.859 "
    times += "55.900 56.005 56.061 56.152 56.220 56.298 56.381 56.445 56.541 56.594 56.701 56.864"
    reported = zip("033779999" + "0" * 17 + "6", times.split(), strict=True)
    durations = iter([200] + [100] * 26)
    taken = [digit for digit, at in reported if not keys.is_echo(digit, next(durations), f"2026-11-22T09:09:{at}+0000")]
    assert "".join(taken) == "037990000000006"


def test_echo_of_a_key_that_came_too_short() -> None:
    """A jittery line makes Asterisk play a key over again without any prompt: the next one still counts once."""
    keys = Keys()
    assert not keys.is_echo("0", 100, "2026-11-22T09:09:22.470+0000")
    assert not keys.is_echo("6", 100, "2026-11-22T09:09:22.623+0000")
    assert keys.is_echo("6", 100, "2026-11-22T09:09:22.636+0000")


def test_without_a_time_everything_is_believed() -> None:
    """An Asterisk that does not say when loses no key."""
    keys = Keys()
    assert not any(keys.is_echo("0", 100, "") for _ in range(5))
