"""The versions of the dialplan on disk: kept for ever, as they were, and read by people beside the process."""

import sqlite3
from pathlib import Path

import pytest

from ivr.domain.errors import BadInput, Illegal, Unusable
from ivr.store.dialplans import MOST_WHO
from ivr.store.history import History
from ivr.store.opening import DIALPLAN_FILE, Store
from tests.clock import Clock

A = {"numbers.yaml": "numbers: []\n", "flows/a.yaml": "flow: a\n"}
B = {**A, "flows/a.yaml": "flow: a\nfirst: سلام\n"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / DIALPLAN_FILE


async def use_both(store: Store, clock: Clock) -> None:
    """a, b, and back to a."""
    for version, files, how in (
        ("aaaa11111111", A, "start"),
        ("aabb22222222", B, "reload"),
        ("aaaa11111111", A, "rollback"),
    ):
        await store.dialplans.use(version, files, how, "maryam")
        clock.now += 60


async def test_a_version_comes_back_as_it_was(store: Store, clock: Clock) -> None:
    """Every letter of every file, whatever was in use afterwards."""
    assert await store.dialplans.in_use() is None
    await use_both(store, clock)
    assert await store.dialplans.in_use() == "aaaa11111111"
    assert await store.dialplans.files("aabb22222222") == B
    assert await store.dialplans.files("cccc33333333") is None


async def test_the_same_again_is_no_change(store: Store, file: Path) -> None:
    """A restart with the same files is not a line in the list."""
    for _ in range(3):
        await store.dialplans.use("aaaa11111111", A, "start", "")
    with History(file) as history:
        assert [use.version for use in history.uses()] == ["aaaa11111111"]


async def test_an_id_stands_for_its_texts(store: Store) -> None:
    """Other texts under a kept id are a fault in the program; nothing is written."""
    await store.dialplans.use("aaaa11111111", A, "start", "")
    with pytest.raises(Illegal, match="with other texts"):
        await store.dialplans.use("aaaa11111111", B, "reload", "")
    assert await store.dialplans.files("aaaa11111111") == A


@pytest.mark.parametrize("table", ["texts", "files", "uses"])
@pytest.mark.parametrize("how", ["DELETE FROM {}", "UPDATE {} SET rowid = 9", "UPDATE {} SET version = 'x'"])
async def test_nothing_kept_is_changed(store: Store, clock: Clock, file: Path, table: str, how: str) -> None:
    """Not by a person with the database's own tool either."""
    await use_both(store, clock)
    other = sqlite3.connect(file)
    with pytest.raises(sqlite3.Error):
        other.execute(how.format(table))
    other.close()


async def test_the_list_that_people_read(store: Store, clock: Clock, file: Path) -> None:
    """Newest first, with what each one changed; a long name is cut."""
    await use_both(store, clock)
    await store.dialplans.use("aabb22222222", B, "reload", "m" * 200)
    with History(file) as history:
        uses = history.uses()
        assert [(use.version, use.how) for use in uses] == [
            ("aabb22222222", "reload"),
            ("aaaa11111111", "rollback"),
            ("aabb22222222", "reload"),
            ("aaaa11111111", "start"),
        ]
        assert [use.changed for use in uses] == [("flows/a.yaml",)] * 3 + [("flows/a.yaml", "numbers.yaml")]
        assert (uses[3].at, uses[3].who, len(uses[0].who)) == (1_700_000_000.0, "maryam", MOST_WHO)
        assert history.uses(limit=2) == uses[:2]


async def test_the_version_that_a_person_means(store: Store, clock: Clock, file: Path) -> None:
    """By the beginning of its id, or by what it was; what is not clear is asked back."""
    await use_both(store, clock)
    with History(file) as history:
        assert history.find("aab") == "aabb22222222"
        assert (history.find("active"), history.find("previous")) == ("aaaa11111111", "aabb22222222")
        assert history.files("aabb22222222") == B
        for name, said in (("aa", "both begin with 'aa'"), ("ff", "no version 'ff'"), ("", "no version ''")):
            with pytest.raises(BadInput, match=said):
                history.find(name)


async def test_before_anything_was_changed(store: Store, file: Path) -> None:
    """There is no way back from the first version, and none from nothing."""
    with History(file) as history:
        with pytest.raises(BadInput, match="no version was ever in use"):
            history.find("active")
        assert history.uses() == []
        await store.dialplans.use("aaaa11111111", A, "start", "")
        with pytest.raises(BadInput, match="no earlier version"):
            history.find("previous")


async def test_texts_that_nobody_could_bring_back(store: Store, clock: Clock, file: Path) -> None:
    """Those that were never in use."""
    await use_both(store, clock)
    with History(file) as history:
        assert history.unknown([A["flows/a.yaml"], "new", B["flows/a.yaml"]]) == ["new"]


def test_no_history_yet(tmp_path: Path) -> None:
    """Said with the file's name; none is made."""
    with pytest.raises(Unusable, match="does not exist"):
        History(tmp_path / DIALPLAN_FILE)
    assert list(tmp_path.iterdir()) == []


async def test_a_history_that_breaks(store: Store, file: Path) -> None:
    """One sentence, whatever SQLite says."""
    history = History(file)
    other = sqlite3.connect(file)
    for table in ("uses", "files", "texts"):
        other.execute(f"DROP TABLE {table}")
    other.close()
    for asked in (history.uses, lambda: history.files("a")):
        with pytest.raises(Unusable, match=DIALPLAN_FILE):
            asked()
    history.close()
