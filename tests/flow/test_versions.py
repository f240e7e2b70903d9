"""Versions by their texts: what makes two of them the same, and how they are compared."""

from ivr.flow.versions import ID_LENGTH, Files, changed, diff, version_of

FILES = {"numbers.yaml": "numbers: []\n", "flows/a.yaml": "flow: a\nfirst: b\n"}


def test_equal_texts_are_one_version() -> None:
    """Whatever order they were read in; another name or another letter is another version."""
    version = version_of(FILES)
    assert len(version) == ID_LENGTH
    assert version_of(dict(reversed(FILES.items()))) == version
    others: tuple[Files, ...] = ({**FILES, "flows/a.yaml": "flow: a\nfirst: c\n"}, {**FILES, "flows/b.yaml": ""}, {})
    assert len({version_of(files) for files in others} | {version}) == 4


def test_texts_cannot_flow_into_names() -> None:
    """No way of cutting the same letters into files gives the same version."""
    assert version_of({"a": "b", "c": "d"}) != version_of({"a": 'b"], ["c', "d": ""})


def test_what_changed() -> None:
    """Added, removed and changed files, by name."""
    after = {"numbers.yaml": "numbers: []\n", "flows/b.yaml": "flow: b\n"}
    assert changed(FILES, after) == ["flows/a.yaml", "flows/b.yaml"]
    assert changed(FILES, FILES) == []


def test_a_diff_that_tools_understand() -> None:
    """Unified, with both names; a file that is new or gone stands against /dev/null; a last line may lack its end."""
    after = {**FILES, "flows/a.yaml": "flow: a\nfirst: c", "flows/n.yaml": "flow: n\n"}
    assert diff(FILES, after, "old", "new") == (
        "--- old/flows/a.yaml\n+++ new/flows/a.yaml\n@@ -1,2 +1,2 @@\n flow: a\n-first: b\n+first: c\n"
        "\\ No newline at end of file\n"
        "--- /dev/null\n+++ new/flows/n.yaml\n@@ -0,0 +1 @@\n+flow: n\n"
    )
    assert diff(FILES, {"numbers.yaml": "numbers: []\n"}, "old", "new").startswith(
        "--- old/flows/a.yaml\n+++ /dev/null"
    )
    assert diff(FILES, FILES, "old", "new") == ""
