import os
import pickle
import signal
import subprocess
import sys
from collections import namedtuple
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from segkit.config.labels import labels_from
from segkit.config.plan import Normalisation
from segkit.datasets import Case
from segkit.foundation.errors import CasesFailedError, DataError
from segkit.foundation.hashing import file_hash
from segkit.preparation import disk, pipeline, store
from segkit.preparation.fingerprint import fingerprint_case
from segkit.preparation.pipeline import prepare_dataset, size_of
from segkit.preparation.store import USED, prepare_case, total_bytes
from segkit.volumes.grid import affine_from

LABELS = labels_from({"background": 0, "first": 1, "second": 2})
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def cohort(write_case):
    """Three sound cases, and one whose reference holds a value that no label declares."""
    bad = np.zeros((14, 12, 9), np.uint8)
    bad[3, 3, 3] = 9
    sound = [write_case(name, shape=(14, 12, 9 + index), seed=index) for index, name in enumerate("acd")]
    return sound, write_case("b", reference=bad)


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file of the prepared cases, and of whatever else lies between them."""
    files = [path for path in folder.rglob("*") if path.is_file() and "in_use" not in path.parts and path.name != USED]
    return {str(path.relative_to(folder)): file_hash(path) for path in files}


def test_prepared_cases_come_in_the_order_of_the_cases(cohort, plan, tmp_path):
    sound, _ = cohort
    prepared = prepare_dataset(sound[::-1], plan(), labels=LABELS, store=tmp_path / "store", workers=1)
    assert [case.name for case in prepared] == ["d", "c", "a"]
    assert [case.scan_grid.shape[2] for case in prepared] == [11, 10, 9]


def test_a_bad_case_is_named_and_the_others_are_prepared(cohort, plan, tmp_path, capsys):
    sound, bad = cohort
    with pytest.raises(CasesFailedError, match="1 of 4 cases cannot be used: b") as failed:
        prepare_dataset([sound[0], bad, *sound[1:]], plan(), labels=LABELS, store=tmp_path / "store", workers=1)
    assert failed.value.exit_code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "b: " in said
    assert "holds the values 9" in said
    assert len(list((tmp_path / "store").rglob("case.yaml"))) == 3


def test_a_case_without_its_file_is_named_and_the_others_are_prepared(cohort, plan, tmp_path, capsys):
    sound, bad = cohort
    bad.images["MR"].unlink()
    with pytest.raises(CasesFailedError, match="1 of 4 cases cannot be used: b"):
        prepare_dataset([*sound, bad], plan(), labels=LABELS, store=tmp_path / "store", workers=1)
    assert "b.nii does not exist" in capsys.readouterr().err.replace("\n", "")
    assert len(list((tmp_path / "store").rglob("case.yaml"))) == 3


def test_what_is_in_the_store_is_not_prepared_again(cohort, plan, tmp_path, monkeypatch, capsys):
    sound, _ = cohort
    options = {"labels": LABELS, "store": tmp_path / "store", "workers": 1}
    first = prepare_dataset(sound[:2], plan(), **options)
    assert "preparing 2 of 2 cases" in capsys.readouterr().out
    prepare_dataset(sound, plan(), **options)
    assert "preparing 1 of 3 cases" in capsys.readouterr().out
    monkeypatch.setattr(store, "write_case", lambda *_: pytest.fail("prepared again"))
    assert prepare_dataset(sound, plan(), **options)[:2] == first
    assert "preparing" not in capsys.readouterr().out


def test_the_disk_is_said_first_and_refused_where_it_is_not_there(cohort, plan, tmp_path, monkeypatch, capsys):
    sound, _ = cohort
    options = {"labels": LABELS, "store": tmp_path / "store", "workers": 1}
    with monkeypatch.context() as patch:
        patch.setattr(disk.shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 1000))
        with pytest.raises(DataError, match=r"preparing 3 of 3 cases needs about .* and .*/store has 0\.0 MB free"):
            prepare_dataset(sound, plan(), **options)
    assert not list((tmp_path / "store").rglob("case.yaml"))
    prepare_dataset(sound, plan(), **options)
    said = capsys.readouterr().out
    assert said.index("of disk in") < said.index("preparing cases: ")


def test_fingerprints_say_what_cropping_leaves(write_case, plan):
    image = np.zeros((40, 12, 9), np.float32)
    image[5:15] = 300
    case = write_case(shape=image.shape, image=image)
    wanted = plan(spacing=(0.5, 1.0, 2.0))
    found = fingerprint_case(case, channels=wanted.inputs, orientation="RAS", labels=LABELS)
    assert size_of(case, wanted, None).prepared == (80, 14, 11)
    known = size_of(case, wanted, found)
    assert (known.scan, known.prepared, known.sheared) == ((40, 12, 9), (20, 14, 11), False)
    assert size_of(Case("x", {"MR": case.images["MR"].with_name("none.nii")}), wanted, None).prepared == (0,)


def test_a_channel_on_a_larger_grid_of_its_own_takes_its_memory(write_nifti, plan):
    images = {"PET": np.zeros((10, 10, 8), np.float32), "CT": np.zeros((60, 50, 40), np.float32)}
    places = {name: write_nifti(f"{name}.nii", image) for name, image in images.items()}
    wanted = plan(normalisation=dict.fromkeys(images, Normalisation("none")), onto={"CT": "PET"})
    size = size_of(Case("a", places), wanted, None)
    assert (size.scan, size.prepared[0]) == ((60, 50, 40), 10)
    assert size.memory(2) > 2 * images["CT"].nbytes


def test_the_disk_that_was_said_is_within_a_tenth(write_nifti, plan, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(pipeline, "check_disk", lambda needed, *_: said.append(sum(needed)))
    reference = np.zeros((60, 50, 40), np.uint8)
    reference[20:30, 10:30, 10:30], reference[30:40, 10:40, 10:30] = 1, 2
    image = np.random.default_rng(0).normal(300, 40, reference.shape).astype(np.float32)
    image[:15] = 0
    files = write_nifti("image.nii", image), write_nifti("reference.nii", reference)
    case = Case("a", {"MR": files[0]}, files[1])
    wanted = plan(spacing=(0.8, 0.8, 2.0), normalisation={"MR": Normalisation("zscore")})
    found = fingerprint_case(case, channels=wanted.inputs, orientation="RAS", labels=LABELS)
    options = {"labels": LABELS, "store": tmp_path / "store", "workers": 1}
    stored = prepare_dataset([case], wanted, **options, fingerprints={"a": found})
    assert said[0] == pytest.approx(total_bytes(stored), rel=0.1)


def test_workers_are_limited_by_memory(cohort, plan, tmp_path, monkeypatch):
    sound, _ = cohort
    seen, parallel_map = [], pipeline.parallel_map
    monkeypatch.setattr(
        pipeline, "parallel_map", lambda *a, **options: seen.append(options) or parallel_map(*a, **options)
    )
    prepare_dataset(sound, plan(), labels=LABELS, store=tmp_path / "store", workers=None)
    largest = max(size_of(case, plan(), None).memory(1) for case in sound)
    assert [call["bytes_each"] for call in seen] == [0, pipeline.PROCESS + largest]
    assert [call["workers"] for call in seen] == [1, 1]  # so little is done sooner here than elsewhere


def test_work_can_be_sent_to_other_processes(cohort, plan, tmp_path):
    work = partial(prepare_case, plan=plan(), labels=LABELS, store=tmp_path / "store")
    again = pickle.loads(pickle.dumps(work))
    case = pickle.loads(pickle.dumps(cohort[0][0]))
    assert again(case) == work(cohort[0][0])


def test_workers_prepare_what_one_process_prepares(cohort, plan, tmp_path):
    sound, _ = cohort
    for name, workers in (("one", 1), ("two", 2)):
        prepare_dataset(sound, plan(), labels=LABELS, store=tmp_path / name, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


RUN = """
import os, pickle, signal, sys
import numpy as np
from segkit.preparation import store
from segkit.preparation.pipeline import prepare_dataset

job, log, until = sys.argv[1:]
cases, plan, labels, folder = pickle.load(open(job, "rb"))
write_case, save = store.write_case, np.save
saves = []

def counted(case, *others):
    with open(log, "a") as lines:
        lines.write(case.name + "\\n")
    write_case(case, *others)

def killed(path, array, **options):
    saves.append(path)
    if len(saves) == int(until):  # half of a file is written, and the process dies as no handler can prevent
        with open(path, "wb") as half:
            half.write(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    save(path, array, **options)

store.write_case, np.save = counted, killed
prepare_dataset(cases, plan, labels=labels, store=folder, workers=1)
"""


@pytest.fixture
def job(write_nifti, plan, tmp_path):
    """Return a function that starts a process which prepares 12 cases, and the folder that it fills."""
    cases = []
    for index in range(12):
        draw = np.random.default_rng(index)
        image = write_nifti(f"image/{index}.nii", draw.normal(300, 40, (50, 45, 40)).astype(np.float32))
        reference = write_nifti(f"labels/{index}.nii", draw.integers(0, 3, (50, 45, 40)).astype(np.uint8))
        cases.append(Case(f"case_{index}", {"MR": image}, reference))
    wanted = plan(spacing=(1.0, 1.0, 1.5))

    def start(folder: Path, until: int = 0) -> subprocess.Popen:
        (tmp_path / "job.pickle").write_bytes(pickle.dumps((cases, wanted, LABELS, folder)))
        words = [sys.executable, "-c", RUN, tmp_path / "job.pickle", folder.with_suffix(".log"), str(until)]
        return subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"})

    def alone() -> dict[str, str]:
        prepare_dataset(cases, wanted, labels=LABELS, store=tmp_path / "alone", workers=1)
        return contents(tmp_path / "alone")

    return start, alone


def prepared_names(folder: Path) -> list[str]:
    return folder.with_suffix(".log").read_text().split()


def test_two_processes_at_once_prepare_nothing_twice(job, tmp_path):
    start, alone = job
    both = [start(tmp_path / "store") for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert sorted(prepared_names(tmp_path / "store")) == sorted(f"case_{index}" for index in range(12))
    assert contents(tmp_path / "store") == alone()


@pytest.mark.parametrize("until", [1, 8, 17])  # the saves of a case are its image, reference and positions
def test_a_killed_process_is_run_again_to_the_same_store(until, job, tmp_path):
    start, alone = job
    assert start(tmp_path / "store", until).wait(120) == -signal.SIGKILL
    done = len(list((tmp_path / "store").rglob("case.yaml")))
    assert done == (until - 1) // 3
    assert len(list((tmp_path / "store").rglob("*.tmp*"))) == 1
    assert start(tmp_path / "store").wait(120) == 0
    names = prepared_names(tmp_path / "store")
    assert len(names) == 13  # the one that was cut off is the only one begun twice
    assert len(set(names)) == 12
    assert contents(tmp_path / "store") == alone()
    assert not list((tmp_path / "store").rglob("*.tmp*"))


def test_the_litter_of_a_killed_process_goes_with_any_later_run(job, cohort, plan, tmp_path):
    start, _ = job
    start(tmp_path / "store", 2).wait(120)
    assert list((tmp_path / "store").rglob("*.tmp*"))
    prepare_dataset(cohort[0], plan(), labels=LABELS, store=tmp_path / "store", workers=1)
    assert not list((tmp_path / "store").rglob("*.tmp*"))
    assert len(list((tmp_path / "store" / "in_use").iterdir())) == 1  # this process's own mark


def test_tilted_scans_are_known_as_such(write_nifti, plan):
    tilt = affine_from((1.0, 1.0, 2.0))
    tilt[1, 2] = 0.6
    case = Case("a", {"MR": write_nifti("a.nii", np.ones((6, 5, 4), np.int16), tilt)})
    assert size_of(case, plan(), None).sheared
