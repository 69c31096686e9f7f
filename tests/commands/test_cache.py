import os
import threading

import nibabel as nib
import numpy as np
import pytest

from segkit.cli import main
from segkit.commands.cache import cache
from segkit.config.compose import configure
from segkit.config.labels import labels_from
from segkit.config.plan import Normalisation, Plan
from segkit.datasets import Case
from segkit.foundation.errors import UsageError
from segkit.preparation import upkeep
from segkit.preparation.store import USED, prepare_case

LABELS = labels_from({"background": 0, "one": 1})
PLAN = Plan(
    3, "RAS", (1.0, 1.0, 1.0), (8, 8, 8), 1, ((1, 1, 1),), ((3, 3, 3),), {"MR": Normalisation("zscore")}
)  # fmt: skip
DAY = 86400


@pytest.fixture
def store(tmp_path):
    """A cache of three prepared cases, last used 0, 10 and 40 days ago."""
    (tmp_path / "images").mkdir()
    folder = tmp_path / "store"
    for index, days in enumerate((0, 10, 40)):
        image, reference = tmp_path / f"images/{index}.nii", tmp_path / f"{index}.nii"
        voxels = np.random.default_rng(index).normal(9, 1, (20, 20, 20)).astype(np.float32)
        for path, array in ((image, voxels), (reference, (voxels > 9).astype(np.uint8))):
            nib.save(nib.Nifti1Image(array, np.eye(4)), path)
        stored = prepare_case(Case(f"c{index}", {"MR": image}, reference), plan=PLAN, labels=LABELS, store=folder)
        used = (stored.folder / USED).stat().st_mtime - days * DAY
        os.utime(stored.folder / USED, (used, used))
    (folder / upkeep.TAG).write_text(upkeep.TAG_TEXT)
    return folder


def taken(store) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file() and path.name != upkeep.TAG)


def config(store, *words):
    return configure("cache", [f"paths.cache={store}", *words])


def test_list(store, capsys):
    assert cache(config(store)) == taken(store)
    said = " ".join(capsys.readouterr().out.split())
    assert str(store.parent / "images") in said
    assert "images plan cases size unused for" in said
    assert f"3 prepared cases, 0 fingerprints and 0 timed steps, 0.1 MB, in {store}" in said


def test_two_plans_are_two_lines(store, capsys):
    image = store.parent / "images/0.nii"
    other = Plan(**{**vars(PLAN), "spacing": (2.0, 2.0, 2.0)})
    prepare_case(Case("c0", {"MR": image}), plan=other, labels=LABELS, store=store)
    cache(config(store))
    assert capsys.readouterr().out.count(str(store.parent / "images")) == 2


def test_clean_removes_everything(store, capsys):
    before = taken(store)
    assert cache(config(store, "action=clean")) == before
    assert "removed 3 prepared cases, 0 fingerprints and 0 timed steps: 0.1 MB freed" in capsys.readouterr().out
    assert [path.name for path in store.iterdir()] == [upkeep.TAG]
    assert cache(config(store)) == 0


@pytest.mark.parametrize(("unused", "left"), [("30d", 2), ("5d", 1), ("1h", 1), ("60d", 3)])
def test_clean_removes_what_was_not_used_for_so_long(unused, left, store):
    cache(config(store, "action=clean", f"unused={unused}"))
    assert len(list(store.rglob("case.yaml"))) == left


def test_what_is_in_use_stays_and_is_said(store, capsys, monkeypatch):
    monkeypatch.setattr(upkeep, "in_use_since", lambda _: 0.0)
    assert cache(config(store, "action=clean")) == 0
    said = capsys.readouterr().out
    assert "3 stay, since a running process uses them" in said
    assert "removed 0 prepared cases" in said


def test_files_of_others_stay_and_are_said(store, capsys):
    folder = next(store.rglob("case.yaml")).parent
    (folder / "thesis.tex").write_text("years of work")
    cache(config(store, "action=clean"))
    assert "holds files that are not segkit's" in " ".join(capsys.readouterr().err.split())
    assert (folder / "thesis.tex").exists()
    assert (folder / "image.npy").exists()


def test_two_cleaners_at_once_free_each_byte_once(store):
    before, freed = taken(store), []
    both = [threading.Thread(target=lambda: freed.append(cache(config(store, "action=clean")))) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sum(freed) == before
    assert not list(store.rglob("case.yaml"))


def test_a_folder_that_is_no_cache_is_refused(tmp_path):
    (tmp_path / "precious.txt").write_text("1")
    with pytest.raises(UsageError, match="is no cache of segkit"):
        cache(config(tmp_path, "action=clean"))
    assert (tmp_path / "precious.txt").exists()


def test_no_cache_is_an_empty_one(tmp_path, capsys):
    assert cache(config(tmp_path / "none", "action=clean")) == 0
    assert "does not exist: nothing is prepared" in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / "none").exists()


def test_the_action_is_a_word_on_the_command_line(store, capsys):
    assert main(["cache", "list", f"paths.cache={store}"]) == 0
    assert "3 prepared cases" in capsys.readouterr().out
    assert main(["cache", "claen", f"paths.cache={store}"]) == 2
    assert "did you mean clean" in " ".join(capsys.readouterr().err.split())
    assert main(["cache", "clean", "unused=30d", f"paths.cache={store}"]) == 0
    assert len(list(store.rglob("case.yaml"))) == 2
