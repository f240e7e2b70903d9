"""YAML with its places: what the corpus of broken flows does not show."""

import pytest

from ivr.domain.reading import MOST_DEPTH, Fault, Faults, Fields, Source, did_you_mean


def fields(text: str) -> tuple[Fields, Source]:
    """The fields of this text, and where its faults go."""
    source = Source("f.yaml")
    return Fields(source, source.compose(text), "it"), source


def test_faults_are_told_once_and_in_order() -> None:
    """By file, line and column, each one line."""
    faults = [Fault("b", 1, 1, "x"), Fault("a", 10, 1, "x"), Fault("a", 9, 2, "x"), Fault("a", 9, 2, "x")]
    assert str(Faults(faults)) == "a:9:2: x\na:10:1: x\nb:1:1: x"


@pytest.mark.parametrize(
    ("written", "seconds"), [("5s", 5), ("800ms", 0.8), ("2m", 120), ("1h", 3600), ('"1.5 s"', 1.5), ("0.1s", 0.1)]
)
def test_durations(written: str, seconds: float) -> None:
    """Every unit; a quoted one too."""
    it, source = fields(f"x: {written}")
    assert it.seconds("x") == pytest.approx(seconds) and not source.faults


@pytest.mark.parametrize(("written", "value"), [("true", True), ("No", False), ("ON", True), ("false", False)])
def test_truths(written: str, value: bool) -> None:
    """As YAML reads them."""
    it, source = fields(f"x: {written}")
    assert it.truth("x", not value) is value and not source.faults


def test_absent_fields_take_their_defaults() -> None:
    """And a wrong one gives a usable stand-in, so that reading goes on."""
    it, source = fields("a: [1]")
    assert (it.whole("n", 7), it.seconds("s", 2), it.truth("t", True), it.text("x", "y")) == (7, 2, True, "y")
    assert (it.one_of("o", ("p", "q")), it.one_of("r", ("p", "q"), "q"), it.texts("u", required=False)) == (
        "p",
        "q",
        [],
    )
    assert (it.whole("a", 7, least=3), it.seconds("a", 7, least=3), it.text("a", "z")) == (3, 3, "")
    assert [fault.message for fault in source.faults] == [
        "it needs 'o'",
        "'a' must be a whole number",
        "'a' must be a duration with its unit, such as 5s, 800ms or 2m",
        "'a' must be a text",
    ]


def test_a_wrong_word_names_the_right_ones() -> None:
    """With the nearest of them."""
    it, source = fields("o: persan")
    assert it.one_of("o", ("persian", "english")) == "persian"
    assert source.faults[0].message == "'o' must be one of persian, english (did you mean 'persian'?)"


def test_a_single_text_is_a_list_of_one() -> None:
    """`match: address` and `match: [address, address]`."""
    it, source = fields("a: x\nb: [x, 1, y]")
    assert [text for text, _ in it.texts("a")] == ["x"]
    assert [text for text, _ in it.texts("b")] == ["x", "y"]
    assert [fault.message for fault in source.faults] == ["'b' must be quoted: \"1\""]


def test_what_a_missing_mapping_lacks_is_said_where_it_is_missing() -> None:
    """Nothing is blamed on line 1; a needed mapping that is missing is one fault, not one and its fields'."""
    it, source = fields("a: 1\nb:\n  c: 1")
    inner = it.fields("b", "b")
    inner.fields("d", "d", required=False).text("x")
    inner.fields("e", "e").text("y")
    inner.fields("e", "e").fields("f", "f").text("z")
    assert [str(fault) for fault in source.faults] == [
        "f.yaml:3:3: d needs 'x'",
        "f.yaml:3:3: b needs 'e'",
        "f.yaml:3:3: b needs 'e'",
    ]


def test_nesting_is_bounded_before_it_is_read() -> None:
    """As deep as allowed is read; tens of thousands of brackets are refused at once."""
    assert fields("x: " + "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1))[1].faults == []
    for text in ("[" * 100_000, "- " * 100_000, "{a: " * 60_000):
        source = Source("f.yaml")
        assert source.compose(text) is None and "levels deep" in source.faults[0].message


def test_near_words_only() -> None:
    """A far guess would only mislead."""
    assert did_you_mean("nxt", ["next"]) == " (did you mean 'next'?)" and did_you_mean("colour", ["next"]) == ""


def test_fields_of_nothing() -> None:
    """A mapping that is not there has no fields and no faults of its own."""
    source = Source("f.yaml")
    nothing = Fields(source, None, "it")
    assert list(nothing.names()) == [] and not nothing.has("x")
    nothing.done()
    assert source.faults == []
