"""Data sets of every kind, trained, predicted and evaluated as users would, on small data."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import SMALL

# AdamW is ahead in the first hundred steps.
SHORT = ("training.steps=40", "optimizer=adamw", "network.features=[8,16]", "training.precision=32",
         "inference.precision=32", "training.workers=0", "augmentation=none", "inference.mirror=none")  # fmt: skip


def dice(run, *labels):
    summary = json.loads((run / "evaluation" / "summary.json").read_text())
    return [summary["labels"][label]["dice"]["mean"] for label in labels]


@pytest.fixture(scope="module")
def tumours(tmp_path_factory):
    """Two channels, T2 on a coarser grid than T1; a tumour with a core, and voxels that nobody looked at."""
    root = tmp_path_factory.mktemp("tumours")
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    for index in range(8):
        draw = np.random.default_rng(index)
        grid = np.stack(np.meshgrid(*[np.arange(n) for n in (20, 20, 16)], indexing="ij"))
        distance = ((grid - draw.uniform(7, 10, (3, 1, 1, 1))) ** 2).sum(0)
        reference = (distance < 30).astype(np.uint8) + (distance < 9)
        t1 = np.where(reference > 0, 100, 0) + draw.normal(0, 20, reference.shape)
        t2 = np.where(reference > 1, 100, 0) + draw.normal(0, 20, reference.shape)
        reference[:, :, :2] = 9
        half = np.diag([1.0, 1.0, 2.0, 1.0])
        half[2, 3] = 0.5
        coarse = t2.reshape(20, 20, 8, 2).mean(axis=3)
        for name, array, affine in (("T1", t1, np.eye(4)), ("T2", coarse, half)):
            nib.save(nib.Nifti1Image(array.astype(np.float32), affine), root / "images" / f"case{index}_{name}.nii.gz")
        nib.save(nib.Nifti1Image(reference, np.eye(4)), root / "labels" / f"case{index}.nii.gz")
    (root / "held_out.txt").write_text("case6\ncase7\n")
    return root


def test_channels_on_two_grids_regions_and_ignored_voxels(segkit, tumours):
    declared = (
        "data=paired", f"data.root={tumours}", f"data.split.held_out={tumours}/held_out.txt",
        "data.channels={T1: mr, T2: {family: mr, onto: T1}}",
        "data.labels={background: 0, whole: [1, 2], core: 2, ignore: 9}", "data.region_order=[1, 2]",
    )  # fmt: skip
    segkit("train", *declared, *SHORT, "plan.patch=[16,16,16]", "output=run")
    segkit("evaluate", "run=run")
    whole, core = dice(segkit.folder / "run", "whole", "core")
    assert min(whole, core) > 0.7
    mask = nib.load(segkit.folder / "run" / "predictions" / "held_out" / "case6.nii.gz")
    assert set(np.unique(mask.dataobj)) <= {0, 1, 2}
    # The same from files alone, the channels told apart by their names.
    scans = segkit.folder / "scans"
    scans.mkdir()
    for channel in ("T1", "T2"):
        shutil.copy(tumours / "images" / f"case6_{channel}.nii.gz", scans)
    segkit("predict", "run=run", "input=scans", "output=masks")
    again = nib.load(segkit.folder / "masks" / "case6.nii.gz")
    assert np.array_equal(again.dataobj, mask.dataobj)
    (scans / "case6_T2.nii.gz").unlink()
    failed = segkit("predict", "run=run", "input=scans", "output=other", expect=1)
    assert "case6" in failed.stderr
    assert "T2" in failed.stderr
    refused = segkit("train", *declared[:3], "data.channels={T1: mr, T2: mr}", *SHORT, "output=no", expect=1)
    assert "T1 and T2" in refused.stderr or "T2" in refused.stderr


def test_two_dimensional_sections(segkit, segkit_data):
    declared = ("data=em_membranes", f"data.root={segkit_data}/em_membranes", "plan=slices_2d", "plan.patch=[64,64,1]")
    steps = [word for word in SHORT if "steps" not in word]
    segkit("train", *declared, *steps, "training.steps=60", "data.split.held_out_fraction=0.2", "output=run")
    split = json.loads((segkit.folder / "run" / "split.json").read_text())
    assert (len(split["training"]), len(split["held_out"])) == (16, 4)
    segkit("evaluate", "run=run")
    assert dice(segkit.folder / "run", "cell")[0] > 0.85
    mask = next((segkit.folder / "run" / "predictions" / "held_out").glob("*.png"))
    assert set(np.unique(Image.open(mask))) <= {0, 255}


def test_references_in_colour(segkit, tmp_path):
    (tmp_path / "skin" / "images").mkdir(parents=True)
    (tmp_path / "skin" / "labels").mkdir()
    for index in range(6):
        draw = np.random.default_rng(index)
        spot = ((np.indices((40, 36)) - draw.uniform(14, 22, (2, 1, 1))) ** 2).sum(0) < 60
        photo = np.where(spot[..., None], (150, 90, 60), (230, 190, 170)) + draw.normal(0, 12, (40, 36, 3))
        colours = np.where(spot[..., None], (255, 128, 0), (0, 0, 0)).astype(np.uint8)
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(tmp_path / "skin" / "images" / f"p{index}.jpg")
        Image.fromarray(colours).save(tmp_path / "skin" / "labels" / f"p{index}.png")
    declared = (
        "data=paired", f"data.root={tmp_path}/skin", "data.channels={photo: rgb}",
        'data.labels={background: "#000000", mole: "#FF8000"}', "plan=slices_2d", "plan.patch=[32,32,1]",
    )  # fmt: skip
    segkit("train", *declared, *SHORT, "data.split.held_out_fraction=0.3", "output=run")
    segkit("evaluate", "run=run")
    assert dice(segkit.folder / "run", "mole")[0] > 0.8
    mask = np.asarray(Image.open(next((segkit.folder / "run" / "predictions" / "held_out").glob("*.png"))))
    assert {tuple(colour) for colour in mask.reshape(-1, 3)} == {(0, 0, 0), (255, 128, 0)}


def test_unusable_cases_are_refused_by_name_or_left_out(segkit, balls, tmp_path):
    faulty = tmp_path / "faulty"
    shutil.copytree(balls, faulty)
    (faulty / "images" / "ball_2.nii.gz").write_bytes(b"")
    (faulty / "labels" / "ball_3.nii.gz").unlink()
    stray = nib.load(faulty / "labels" / "ball_4.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(stray.dataobj) + 5, stray.affine), faulty / "labels" / "ball_4.nii.gz")
    words = ("data=paired", f"data.root={faulty}", "data.labels={background: 0, bright: 1, dim: 2}", *SMALL)
    refused = segkit("train", *words, "training.steps=2", "output=run", expect=1)
    assert "ball_2" in refused.stderr
    assert "ball_3" in refused.stderr
    assert "data.skip_unusable=true" in refused.stderr
    done = segkit("train", *words, "training.steps=2", "data.skip_unusable=true", "output=run")
    for name in ("ball_2", "ball_3", "ball_4"):
        assert f"{name} is left out" in done.stderr + done.stdout
    split = json.loads((segkit.folder / "run" / "split.json").read_text())
    assert split["training"] == ["ball_0", "ball_1", "ball_5", "ball_6", "ball_7"]


def test_an_edited_plan_is_followed(segkit, ball_options):
    segkit("train", *ball_options, "training.steps=1", "output=first")
    text = (segkit.folder / "first" / "plan.yaml").read_text()
    (segkit.folder / "mine.yaml").write_text(text.replace("batch: 2", "batch: 3"))
    words = [word for word in ball_options if not word.startswith("plan.")]
    second = segkit("train", *words, "plan=mine.yaml", "training.steps=1", "output=second")
    told = "mine.yaml augments patches as a short training does, like the one that it is of (1 steps, of 5000 "
    assert told in second.stdout
    assert "batch: 3" in (segkit.folder / "second" / "plan.yaml").read_text()
    missing = segkit("train", *words, "plan=nowhere.yaml", "training.steps=1", "output=third", expect=2)
    assert "nowhere.yaml" in missing.stderr


def test_one_step_of_everything(segkit, ball_options):
    segkit("train", *ball_options, "debug=fast", "output=run")
    assert (segkit.folder / "run" / "model" / "weights.safetensors").is_file()
    assert (segkit.folder / "run" / "evaluation" / "summary.json").is_file()


def test_one_batch_learnt_by_heart(segkit, ball_options):
    words = [word for word in ball_options if "features" not in word]
    done = segkit("train", *words, "network.features=[8,16]", "optimizer.lr=0.01", "debug=overfit", "output=run")
    assert "Dice 0.99" in done.stdout or "Dice 1.0" in done.stdout


def test_what_the_network_will_see(segkit, ball_options):
    words = [word for word in ball_options if "inference" not in word]
    done = segkit("inspect", *words, "patches=3", "output=seen")
    sheet = np.asarray(Image.open(segkit.folder / "seen" / "patches.png"))
    assert sheet.shape[2] == 3
    assert len(list((segkit.folder / "seen").glob("*_image.nii.gz"))) == 3
    reference = nib.load(next((segkit.folder / "seen").glob("*_reference.nii.gz")))
    assert reference.shape == (16, 16, 16)
    assert "patches.png" in done.stdout


def test_cases_without_some_labels_train_with_the_others(segkit, balls, ball_options):
    def table(*rows):
        (segkit.folder / "drawn.csv").write_text("case,drawn\n" + "\n".join(rows) + "\n")

    steps = ("training.steps=4", "training.fold=0", "data.split.folds=3", "data.columns=drawn.csv")
    table(*(f"ball_{index},bright;dim" for index in range(8)))
    segkit("train", *ball_options, *steps, "output=plain")
    segkit("train", *ball_options, *steps, "data.annotated=drawn", "output=full")
    plain, full = ((segkit.folder / run / "model" / "weights.safetensors").read_bytes() for run in ("plain", "full"))
    assert plain == full  # nothing is missing, so nothing differs
    table(*(f"ball_{index},{'bright' if index < 4 else 'bright;dim'}" for index in range(8)))
    refused = segkit("train", *ball_options, *steps, "data.annotated=drawn", "output=wrong", expect=1)
    assert "holds dim" in refused.stderr
