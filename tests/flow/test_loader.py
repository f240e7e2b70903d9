"""The loader beyond broken flows: whole directories, strange files, and text that is anything at all."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.reading import MOST_BYTES, Faults
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan
from tests.flow.test_bad_flows import GOOD_FLOW
from tests.flow.world import DIALPLAN, SHIPPED, shipped, shipped_dialplan, world

NUMBERS = 'numbers:\n  - {number: "1", flow: good, settings: {merchant_phone: "2"}}\n'


def dialplan(directory: Path, files: dict[str, str | bytes]) -> Path:
    """A dialplan's directory with these files."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def faults(directory: Path) -> list[str]:
    """What is wrong there, the directory's name left out."""
    with pytest.raises(Faults) as caught:
        load_dialplan(directory, world())
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return [str(fault).removeprefix(f"{directory}/") for fault in caught.value.faults]


def test_the_shipped_dialplans_are_good() -> None:
    """What we ship can be served, prompts, trunks and operations included."""
    assert {shipped(name).name for name in SHIPPED} == set(SHIPPED)
    assert {number.flow for number in shipped_dialplan().numbers} <= set(shipped_dialplan().flows)


def test_the_trunk_s_own_number_wins(tmp_path: Path) -> None:
    """The same number may run another flow for calls from one trunk."""
    own = '  - {number: "1", trunk: bank, flow: good, settings: {merchant_phone: "3"}}\n'
    loaded = load_dialplan(dialplan(tmp_path, {"flows/good.yaml": GOOD_FLOW, "numbers.yaml": NUMBERS + own}), world())
    found = {trunk: loaded.number("1", trunk) for trunk in ("bank", "public")}
    assert {trunk: number and number.settings["merchant_phone"] for trunk, number in found.items()} == {
        "bank": "3",
        "public": "2",
    }
    assert loaded.number("2", "bank") is None


def test_equal_texts_are_equal_versions(tmp_path: Path) -> None:
    """A call in progress keeps its flow; whether a reload changed it is seen by the version."""
    files: dict[str, str | bytes] = {"flows/good.yaml": GOOD_FLOW, "numbers.yaml": NUMBERS}
    versions = [load_dialplan(dialplan(tmp_path, files), world()).flows["good"].version for _ in range(2)]
    changed = {**files, "flows/good.yaml": GOOD_FLOW.replace("normal", "busy")}
    versions.append(load_dialplan(dialplan(tmp_path, changed), world()).flows["good"].version)
    assert versions[0] == versions[1] != versions[2]


def test_every_file_s_faults_are_named_at_once(tmp_path: Path) -> None:
    """The admin mends everything in one go; a number whose flow is broken is not blamed for it."""
    files: dict[str, str | bytes] = {
        "flows/bad.yaml": GOOD_FLOW.replace("flow: good", "flow: bad").replace("normal", "normall"),
        "flows/broken.yaml": "flow: [",
        "flows/good.yaml": GOOD_FLOW.replace("first: a", "first: c"),
        "numbers.yaml": NUMBERS + '  - {number: "2", flow: broken}\n  - {number: "3", flow: other}\n',
    }
    assert faults(dialplan(tmp_path, files)) == [
        "flows/bad.yaml:7:16: 'hang_up' must be one of normal, busy, rejected, unavailable (did you mean 'normal'?)",
        "flows/broken.yaml:1:8: not YAML: expected the node content, but found '<stream end>'",
        "flows/good.yaml:3:8: there is no step 'c'",
        "numbers.yaml:4:25: there is no flow 'other'",
    ]


def test_a_prompt_is_missed_only_in_the_languages_that_are_spoken(tmp_path: Path) -> None:
    """A flow that only Persian callers reach needs no English recording, and a flow of nobody's needs all."""
    spoken = GOOD_FLOW.replace("common/goodbye", "only/here")
    files: dict[str, str | bytes] = {"flows/good.yaml": spoken, "numbers.yaml": NUMBERS}
    assert faults(dialplan(tmp_path, files)) == ["flows/good.yaml:6:12: there is no prompt 'only/here' in 'fa'"]
    files["numbers.yaml"] = "numbers: []"
    assert len(faults(dialplan(tmp_path, files))) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"flow: \xff\xfe", "not UTF-8 text (byte 6)"),
        (b"", "the file is empty"),
        (b"# only a comment", "the file is empty"),
        (b"\x00\x01\x02", "not YAML: the character #x0000"),
        (b"a: " + b"x" * MOST_BYTES, f"the file is larger than {MOST_BYTES} bytes"),
        (b"%YAML 1." + b"9" * 5000, "not YAML: a number or an escape out of range"),
    ],
    ids=["not_utf8", "empty", "comment", "binary", "huge", "endless_number"],
)
def test_strange_files(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever lies there under a flow's name is named and refused, alone or in its directory."""
    directory = dialplan(tmp_path, {"flows/x.yaml": content, "numbers.yaml": "numbers: []"})
    (fault,) = faults(directory)
    assert fault.startswith("flows/x.yaml:1:") and fault.endswith(message)
    with pytest.raises(Faults, match=r"x\.yaml:1:"):
        load_dialplan(directory / "flows" / "x.yaml", world())


def test_what_is_no_file(tmp_path: Path) -> None:
    """A directory under a flow's name, and no numbers at all."""
    (tmp_path / "flows" / "x.yaml").mkdir(parents=True)
    assert faults(tmp_path) == [
        "flows/x.yaml:1:1: cannot be read: Is a directory",
        f"numbers.yaml:1:1: there is no such file in {tmp_path}",
    ]


# -- any text at all ---------------------------------------------------------------------------------------------------

EVERY_KIND = (Path(__file__).parent / "every_kind.yaml").read_text(encoding="utf-8")
"""A good flow with every step kind and most fields, to be spoilt."""

PIECES = [
    *(
        "\n",
        "  ",
        "\t",
        ":",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        '"',
        "#",
        "&a ",
        "*a",
        "!!bool ",
        "!!int ",
        "<<: ",
        "|",
    ),
    *(
        "null",
        "~",
        "0123",
        "1",
        "yes",
        "۱",
        "''",
        "prompt",
        "next",
        "exits",
        "\u2028",
        "\\U",
        "%",
        "? ",
        "...",
        "---\n",
    ),
]


def load_text(directory: Path, text: str) -> Dialplan | None:
    """The dialplan, or None with faults; anything else that is raised is ours to mend."""
    path = directory / "every_kind.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        return load_dialplan(path, world())
    except Faults as exc:
        assert exc.faults and all(f.line > 0 and f.column > 0 and "\n" not in str(f) for f in exc.faults)
        return None


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("garbage")


def test_the_text_to_be_spoilt_is_good(directory: Path) -> None:
    """Otherwise the next test would test nothing."""
    assert load_text(directory, EVERY_KIND) is not None


@given(text=st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_garbage_is_refused_with_words(directory: Path, text: str) -> None:
    """Text that was never meant to be a flow."""
    assert load_text(directory, text) is None


@given(
    places=st.lists(
        st.tuples(st.integers(0, len(EVERY_KIND)), st.integers(0, 30), st.sampled_from(PIECES)), min_size=1, max_size=3
    ),
)
@settings(max_examples=100, deadline=None)
def test_a_spoilt_flow_never_breaks_the_loader(directory: Path, places: list[tuple[int, int, str]]) -> None:
    """A slip of the hand anywhere in a good flow gives faults with their places, or still a good flow."""
    text = EVERY_KIND
    for place, cut, piece in places:
        text = text[:place] + piece + text[place + cut :]
    load_text(directory, text)


def test_the_shipped_dialplan_is_not_changed_by_reading(tmp_path: Path) -> None:
    """`check` changes nothing."""
    before = {path: path.stat().st_mtime_ns for path in DIALPLAN.rglob("*")}
    load_dialplan(DIALPLAN, world())
    assert before == {path: path.stat().st_mtime_ns for path in DIALPLAN.rglob("*")}
