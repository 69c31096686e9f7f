"""A cohort that is killed and started again ends as one that nobody stopped, and never shows half a file."""

import gzip
import json
import signal
import threading
import time

import nibabel as nib
import numpy as np
import pyarrow.parquet
import pytest

CASES = 8

# Dies as the third mask lies in the folder and is not listed yet.
DIE_BEFORE_LISTING = """
import os, signal, sys
from segkit.runs.register import Register
add, count = Register.add, [0]
def dying(self, name, entry):
    count[0] += 1
    if count[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    add(self, name, entry)
Register.add = dying
from segkit.cli import main
sys.exit(main(sys.argv[1:]))
"""
# Dies with half of the third mask written.
DIE_WHILE_WRITING = """
import os, signal, sys
import segkit.foundation.files as files
flush, count = files._flush, [0]
def dying(path):
    count[0] += path.name.endswith(".nii.gz")
    if count[0] == 3:
        os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    flush(path)
files._flush = dying
from segkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Watcher(threading.Thread):
    """Reads every file of a folder again and again, and keeps what it cannot read."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.bad, self.seen, self.is_over = folder, [], 0, False

    def run(self):
        while not self.is_over:
            for path in sorted(self.folder.glob("[!.]*")):
                try:
                    check(path)
                    self.seen += 1
                except FileNotFoundError:  # a journal that has ended, or a table that is replaced
                    pass
                except Exception as error:  # noqa: BLE001
                    self.bad.append((path.name, error))
            time.sleep(0.001)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.join()


def check(path):
    """Raise unless a file is whole."""
    if path.name.endswith(".nii.gz"):
        assert np.asarray(nib.load(path).dataobj).shape == (22, 20, 16)
    elif path.suffix == ".json":
        assert json.loads(path.read_text())["labels"]
    elif path.suffix == ".jsonl":
        assert all(json.loads(line) for line in path.read_text().splitlines())
    else:
        assert pyarrow.parquet.read_table(path).num_rows


@pytest.fixture(scope="module")
def walked(uninterrupted_line, balls, ball_options):
    """A run, and the masks of a command that nobody stopped."""
    line = uninterrupted_line
    line("train", *ball_options, "training.steps=12", "training.fold=all", "output=cohort_run")
    words = ("predict", f"run={line.folder / 'cohort_run'}", f"input={balls / 'images'}", "inference.mirror=none")
    line(*words, "output=cohort_masks")
    return words, contents(line.folder / "cohort_masks")


def contents(folder):
    """Return what a folder holds; seconds aside, which no two commands share."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = json.loads(files.pop("predictions.json"))
    rows = pyarrow.parquet.read_table(folder / "predictions.parquet").to_pylist()
    del files["predictions.parquet"]
    for entry in (*manifest["cases"].values(), *rows):
        assert entry.pop("seconds") > 0
    manifest["cases"] = dict(sorted(manifest["cases"].items()))
    return files, manifest, rows


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}


def finished(segkit, words, expected):
    """Start again; return which masks were not made anew, and what was said."""
    folder = segkit.folder / "masks"
    before = times(folder)
    with Watcher(folder) as watcher:
        said = segkit(*words, "output=masks").stdout
    assert watcher.bad == []
    assert watcher.seen > 0
    assert contents(folder) == expected
    return {name for name, changed in before.items() if times(folder)[name] == changed}, said


def test_killed_at_any_time(segkit, walked):
    words, expected = walked
    folder = segkit.folder / "masks"
    folder.mkdir()
    with Watcher(folder) as watcher:
        process, deadline = segkit.start(*words, "output=masks"), time.monotonic() + 120
        while len(times(folder)) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert watcher.bad == []
    assert len(times(folder)) >= 3
    made = set(times(folder))
    kept, said = finished(segkit, words, expected)
    assert kept == made
    assert f"{len(made)} of {CASES} masks were there already" in said


def test_killed_between_a_mask_and_its_listing(segkit, walked):
    words, expected = walked
    segkit(*words, "output=masks", code=DIE_BEFORE_LISTING, expect=-signal.SIGKILL)
    journal = (segkit.folder / "masks" / "predictions.jsonl").read_text()
    assert journal.count('"entry"') == 2
    assert len(times(segkit.folder / "masks")) == 3
    kept, said = finished(segkit, words, expected)
    assert len(kept) == 3
    assert f"3 of {CASES} masks were there already" in said


def test_killed_in_the_middle_of_a_file(segkit, walked):
    words, expected = walked
    segkit(*words, "output=masks", code=DIE_WHILE_WRITING, expect=-signal.SIGKILL)
    folder = segkit.folder / "masks"
    assert len(times(folder)) == 2
    assert any(path.name.startswith(".") for path in folder.iterdir())
    kept, said = finished(segkit, words, expected)
    assert len(kept) == 2
    assert f"2 of {CASES} masks were there already" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_politely_what_was_made_is_listed(segkit, walked, number):
    words, expected = walked
    folder = segkit.folder / "masks"
    process, deadline = segkit.start(*words, "output=masks"), time.monotonic() + 120
    while not (folder.exists() and times(folder)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert not (folder / "predictions.jsonl").exists()
    listed = json.loads((folder / "predictions.json").read_text())["cases"]
    assert {entry["mask"] for entry in listed.values()} == set(times(folder))
    kept, _ = finished(segkit, words, expected)
    assert kept == {entry["mask"] for entry in listed.values()}


def test_what_stands_beside_masks_is_complete_and_no_mask(segkit, walked, balls):
    words, expected = walked
    run = words[1].removeprefix("run=")
    scores = ("scores.probabilities=nifti", "scores.maps=[entropy,disagreement]")
    words = ("predict", f"run=[{run},{run}]", *words[2:], *scores, "output=masks")
    segkit(*words)
    masks = segkit.folder / "masks"
    for folder, count in (("probabilities", 2 * CASES), ("entropy", CASES), ("disagreement", CASES)):
        assert len(list((masks / folder).iterdir())) == count
    twice = np.asarray(nib.load(masks / "disagreement" / "ball_0.nii.gz").dataobj)
    assert twice.max() < 1e-4  # a model does not contradict itself
    one = nib.Nifti1Image.from_bytes(gzip.decompress(expected[0]["ball_0.nii.gz"]))  # another model in its description
    assert np.array_equal(np.asarray(nib.load(masks / "ball_0.nii.gz").dataobj), np.asarray(one.dataobj))
    rows = pyarrow.parquet.read_table(masks / "predictions.parquet").to_pylist()
    assert all(row[f"expected_dice_{name}"] is None or 0 <= row[f"expected_dice_{name}"] <= 1
               for row in rows for name in ("bright", "dim"))  # fmt: skip
    segkit("evaluate", "predictions=masks", f"references={balls / 'labels'}", "output=scores")
    assert json.loads((segkit.folder / "scores" / "summary.json").read_text())["cases"] == CASES
    (masks / "entropy" / "ball_3.nii.gz").unlink()
    assert f"{CASES - 1} of {CASES} masks were there already" in segkit(*words).stdout
    assert (masks / "entropy" / "ball_3.nii.gz").exists()
    refused = segkit(*words[:1], f"run={run}", *words[2:-1], "output=other", expect=2)
    assert "disagreement is between models" in refused.stderr


def test_probabilities_that_predict_writes_are_what_evaluate_calibrates(segkit, balls, ball_options):
    segkit("train", *ball_options, "training.steps=4", "output=run")
    segkit("predict", "run=run", "split=held_out", "output=masks", "scores.probabilities=nifti")
    segkit(
        "evaluate", "predictions=masks", f"references={balls / 'labels'}", "probabilities=masks/probabilities",
        "output=scores",
    )  # fmt: skip
    labels = json.loads((segkit.folder / "scores" / "summary.json").read_text())["labels"]
    assert all(0 <= labels[name]["ece"]["mean"] <= 1 and labels[name]["brier"]["mean"] >= 0 for name in labels)
    assert (segkit.folder / "scores" / "reliability.csv").is_file()
