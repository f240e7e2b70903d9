"""What a line means, and what is said about one that means nothing."""

import pytest

from ivr.domain.secret import Secret
from ivr.simulator import orders
from ivr.simulator.orders import MOST_LINE, WrongLine, read_order


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("6584#", orders.Keys(Secret("6584#"))),
        ("#", orders.Keys(Secret("#"))),
        ("keys 65 84 *", orders.Keys(Secret("6584*"))),
        ("۱۲", orders.Keys(Secret("12"))),
        ("  HEAR ", orders.Hear()),
        ("", orders.GoOn()),
        ("# a comment", orders.Comment()),
        ("hang up", orders.Leave()),
        ("headers untrusted", orders.Headers(None)),
        ('headers "From=<sip:1@h>" A=', orders.Headers({"From": "<sip:1@h>", "A": ""})),
        ("answer ok amount=5", orders.Answer("ok", {"amount": "5"})),
        ("decline 3", orders.Decline("3")),
        ("time out", orders.Answer("unknown")),
        ("busy", orders.Leg("busy")),
        ("leg unreachable", orders.Leg("unreachable")),
        ("talk", orders.Message("talked")),
        ("silent recording", orders.Message("silent")),
        ("failed recording", orders.Message("failed")),
        ("quit", orders.Quit()),
    ],
)
def test_lines(line: str, order: orders.Order) -> None:
    """Digits alone are keys, everything else begins with a word."""
    assert read_order(line) == order


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("keys", "keys are"),
        ("keys 12a", "keys are"),
        ("hear it", "takes nothing more"),
        ("hang on", "takes nothing more"),
        ("time", "time out"),
        ("answer", "needs an exit"),
        ("answer amount=5", "needs an exit"),
        ("approve amount", "name=value"),
        ("decline 1 2", "one code"),
        ("silent", "silent recording"),
        ("talk loud", "takes nothing more"),
        ("leg gone", "answered, ended"),
        ('say "x', "a quote"),
        ("unreachabel", "did you mean 'unreachable'"),
        ("x" * (MOST_LINE + 1), "longer than"),
    ],
)
def test_lines_that_mean_nothing(line: str, said: str) -> None:
    """One sentence that helps."""
    with pytest.raises(WrongLine, match=said):
        read_order(line)


@pytest.mark.parametrize("line", ["6037-7016-8909-5443", "6037701689095443x", "keys 6037701689095443x"])
def test_no_sentence_quotes_keys(line: str) -> None:
    """A card number with a slip of the finger is still a card number."""
    with pytest.raises(WrongLine) as wrong:
        read_order(line)
    assert "6037" not in str(wrong.value)


def test_an_order_hides_its_keys() -> None:
    """Nothing that is printed by accident holds them."""
    assert "6037" not in repr(read_order("6037701689095443"))
