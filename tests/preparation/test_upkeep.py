import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segkit.config.labels import labels_from
from segkit.foundation.errors import UsageError
from segkit.foundation.files import temporary_name
from segkit.foundation.locks import lock
from segkit.preparation import upkeep
from segkit.preparation.store import USED, lock_of, prepare_case, stored_case
from segkit.preparation.upkeep import (
    FINGERPRINTS,
    check_is_cache,
    file_entries,
    in_use_since,
    keep_in_use,
    prepared_entries,
    remove,
    remove_remains,
)

LABELS = labels_from({"background": 0, "first": 1, "second": 2})
HOLD = """
import sys
from pathlib import Path
from segkit.preparation.upkeep import keep_in_use

keep_in_use(Path(sys.argv[1]))
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(write_case, plan, tmp_path):
    """A cache of two prepared cases, last used long ago, and a fingerprint; no process works in it."""
    folder = tmp_path / "store"
    for seed, name in enumerate("ab"):
        stored = prepare_case(write_case(name, seed=seed), plan=plan(), labels=LABELS, store=folder)
        os.utime(stored.folder / USED, (1000 + seed, 1000 + seed))
    (folder / "fingerprints").mkdir()
    (folder / "fingerprints" / f"{'0' * 64}.npy").write_bytes(b"1234")
    (folder / upkeep.TAG).write_text(upkeep.TAG_TEXT)
    return folder


@pytest.fixture
def other_process(store):
    """Another process that works in the cache."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"holds\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_entries(store):
    entries = sorted(prepared_entries(store), key=lambda entry: entry.used)
    assert [(entry.record["case"], entry.used) for entry in entries] == [("a", 1000), ("b", 1001)]
    assert entries[0].size == sum(path.stat().st_size for path in entries[0].path.iterdir())
    (fingerprint,) = file_entries(store, FINGERPRINTS)
    assert fingerprint.size == 4


def test_a_damaged_record_is_an_entry_all_the_same(store):
    entry = prepared_entries(store)[0]
    (entry.path / "case.yaml").write_text("{")
    assert prepared_entries(store)[0].record == {}
    assert remove(prepared_entries(store)[0], store)


def test_what_is_removed_leaves_nothing(store):
    assert all(remove(entry, store) for entry in [*prepared_entries(store), *file_entries(store, FINGERPRINTS)])
    remove_remains(store)
    assert [path.name for path in store.iterdir()] == [upkeep.TAG]


def test_only_what_was_used_before_is_removed(store):
    older, newer = sorted(prepared_entries(store), key=lambda entry: entry.used)
    assert not remove(newer, store, before=1001)
    assert remove(older, store, before=1001)
    assert newer.path.exists()
    os.utime(newer.path / USED)  # used since it was listed
    assert not remove(newer, store, before=1002)


def test_what_a_living_process_uses_stays(store, other_process, write_case, plan):
    older, newer = sorted(prepared_entries(store), key=lambda entry: entry.used)
    stored_case(write_case("b", seed=1), plan=plan(), labels=LABELS, store=store)  # used since that process began
    assert in_use_since(store) == pytest.approx(time.time(), abs=60)
    assert not remove(newer, store)
    assert remove(older, store)
    other_process.kill()
    other_process.wait()
    assert in_use_since(store) is None
    assert remove(newer, store)


def test_a_case_that_is_being_prepared_stays(store):
    entry = prepared_entries(store)[0]
    with lock(lock_of(entry.path), doing="preparing"):
        assert not remove(entry, store)
    assert remove(entry, store)
    assert not remove(entry, store)  # another was faster


def test_this_process_counts_too(store):
    keep_in_use(store)
    assert in_use_since(store) == pytest.approx(time.time(), abs=60)
    assert in_use_since(store) is not None  # looking does not end it
    keep_in_use(store)
    assert len(list((store / upkeep.IN_USE).iterdir())) == 1


def test_files_of_others_are_never_touched(store, tmp_path):
    entry, linked = prepared_entries(store)
    (entry.path / "thesis.tex").write_text("years of work")
    elsewhere = tmp_path / "elsewhere"
    linked.path.rename(elsewhere)
    linked.path.symlink_to(elsewhere)
    (store / "notes").mkdir()
    (store / "fingerprints" / "mine.npy").write_bytes(b"1")
    found = [*prepared_entries(store), *file_entries(store, FINGERPRINTS)]
    assert linked.path not in [each.path for each in found]
    assert [remove(each, store) for each in found] == [False, True]
    remove_remains(store)
    assert (entry.path / "thesis.tex").exists()
    assert len(list(elsewhere.iterdir())) == 5
    assert (store / "notes").is_dir()
    assert (store / "fingerprints" / "mine.npy").exists()


def test_a_link_inside_a_case_makes_it_not_ours(store, tmp_path):
    entry = prepared_entries(store)[0]
    (tmp_path / "precious.npy").write_bytes(b"1")
    (entry.path / "image.npy").unlink()
    (entry.path / "image.npy").symlink_to(tmp_path / "precious.npy")
    assert not remove(entry, store)
    assert (tmp_path / "precious.npy").exists()


def test_remains_go_and_living_work_stays(store):
    prefix = prepared_entries(store)[0].path.parent
    mine = temporary_name(prefix / ("f" * 64))
    dead = Path(str(mine).replace(f"-{os.getpid()}-", "-999999999-"))
    foreign = prefix / ".thesis.tmp"
    for folder in (mine, dead, foreign):
        folder.mkdir()
    lonely = prefix / f"{'e' * 64}.lock"
    lonely.touch()
    remove_remains(store)
    assert not dead.exists()
    assert not lonely.exists()
    assert foreign.exists()
    assert len(prepared_entries(store)) == 2


@pytest.mark.parametrize("tag", [None, "Signature: 8a477f597d28d172789f06886806bc55\n# another program's\n"])
def test_a_folder_that_is_no_cache_of_segkit_is_refused(tag, tmp_path):
    if tag:
        (tmp_path / upkeep.TAG).write_text(tag)
    with pytest.raises(UsageError, match=r"is no cache of segkit .* nothing was touched"):
        check_is_cache(tmp_path)


def test_a_cache_is_marked(tmp_path):
    keep_in_use(tmp_path / "new")
    check_is_cache(tmp_path / "new")
    assert (tmp_path / "new" / upkeep.TAG).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
