"""A cascade: trained by one command, killed and gone on with, and predicting alone wherever its model goes."""

import json
import shutil
import signal

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import load_file

CASCADE = ("cascade=low_full", "cascade.folds=2", "training.steps=12", "training.fold=0", "data.split.folds=3")


def same_weights(one, other):
    first, second = (load_file(run / "model" / "weights.safetensors") for run in (one, other))
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def cascade(uninterrupted_line, ball_options):
    uninterrupted_line("train", *ball_options, *CASCADE, "output=cascade")
    return uninterrupted_line.folder / "cascade"


def test_every_training_case_is_shown_a_mask_of_a_network_that_never_saw_it(cascade):
    split = json.loads((cascade / "split.json").read_text())
    shown = {}
    for number in (1, 2):
        seen = json.loads((cascade / "previous" / f"network_{number}" / "split.json").read_text())["training"]
        masks = {
            path.name.split(".")[0] for path in (cascade / "previous/masks" / f"network_{number}").glob("*.nii.gz")
        }
        assert not masks & set(seen)
        assert not set(split["validation"]) & set(seen)
        shown |= dict.fromkeys(masks, number)
    assert set(shown) == set(split["training"])
    assert {path.name.split(".")[0] for path in (cascade / "previous/masks/validation").glob("*.nii.gz")} == set(
        split["validation"]
    )
    cases = json.loads((cascade / "cases.json").read_text())
    assert all("previous" in files for files in cases.values())


def test_killed_in_the_later_stage_it_ends_with_the_same_weights(segkit, ball_options, cascade):
    words = ("train", *ball_options, *CASCADE, "training.checkpoint_every=1", "output=run")
    process = segkit.start_until_step(3, "run", *words)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    segkit("train", "resume=run")
    assert same_weights(segkit.folder / "run", cascade)


def test_a_package_segments_without_the_run(segkit, balls, cascade, uninterrupted_line):
    uninterrupted_line("predict", "run=cascade", f"input={balls / 'images'}", "output=masks")
    uninterrupted_line("package", "run=cascade", "output=cascade.segkit")
    shutil.move(uninterrupted_line.folder / "cascade.segkit", segkit.folder / "moved.segkit")
    segkit("predict", "run=moved.segkit", f"input={balls / 'images'}", "output=masks")
    for path in sorted((uninterrupted_line.folder / "masks").glob("*.nii.gz")):
        one, other = (np.asarray(nib.load(each / "masks" / path.name).dataobj) for each in (
            uninterrupted_line.folder, segkit.folder
        ))  # fmt: skip
        np.testing.assert_array_equal(one, other)
    refused = uninterrupted_line("package", "run=cascade", "output=one.onnx", expect=2)
    assert "two stages" in refused.stderr


@pytest.mark.parametrize(
    ("word", "said"),
    [("plan=slices_2d", "3D networks"), ("cascade.folds=1", "seen every case"), ("plan=low_3d", "low resolution")],
)
def test_what_is_no_cascade_is_refused(segkit, ball_options, word, said):
    words = [each for each in ball_options if not each.startswith("plan.")]
    result = segkit("train", *words, "training.steps=2", "cascade=low_full", word, "output=run", expect=2)
    assert said in result.stderr
