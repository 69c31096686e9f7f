"""Train, predict, evaluate through the command line; masks lie on the scans' own grids."""

import csv
import json
import shutil
from itertools import pairwise

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

ODD = "DOE^JOHN (1) ü=~&"


@pytest.fixture(scope="module")
def trained(uninterrupted_line, ball_options):
    uninterrupted_line("train", *ball_options, "training.steps=150", "training.fold=0", "output=trained")
    return uninterrupted_line.folder / "trained"


def test_the_run_folder_is_complete(trained):
    for name in (
        "config.yaml", "overrides.yaml", "plan.yaml", "split.json", "cases.json", "environment.json", "status.json",
        "metrics.csv", "log.txt", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "model/weights.safetensors",
        "model/model.yaml",
    ):  # fmt: skip
        assert (trained / name).is_file(), name
    split = json.loads((trained / "split.json").read_text())
    assert split["held_out"] == ["ball_6", "ball_7"]
    assert not set(split["training"]) & set(split["validation"])
    assert json.loads((trained / "status.json").read_text())["state"] == "finished"
    rows = list(csv.DictReader((trained / "metrics.csv").open()))
    validated = [float(row["dice"]) for row in rows if row["dice"]]
    assert len(validated) == 10
    assert validated[-1] > 0.7
    recorded = json.loads((trained / "cases.json").read_text())
    assert set(recorded) == set(split["training"]) | set(split["validation"])
    assert all(len(files["MR" if "MR" in files else "image"]["sha256"]) == 64 for files in recorded.values())


def test_masks_lie_on_the_scans_own_grid_bit_for_bit(segkit, trained, balls):
    scan = balls / "images" / "ball_6.nii.gz"
    segkit("predict", f"run={trained}", f"input={scan}", "output=masks")
    mask, image = nib.load(segkit.folder / "masks" / "ball_6.nii.gz"), nib.load(scan)
    assert mask.shape == image.shape
    assert np.array_equal(mask.affine, image.affine)
    for key in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d"):
        assert np.array_equal(mask.header[key], image.header[key]), key
    assert mask.get_data_dtype() == np.uint8
    assert set(np.unique(np.asanyarray(mask.dataobj))) <= {0, 1, 2}


def test_held_out_dice_by_three_ways_of_asking(segkit, trained, balls):
    whole = segkit("evaluate", f"run={trained}", "output=by_run")
    assert "bright" in whole.stdout
    inputs = segkit.folder / ODD
    inputs.mkdir()
    for case in ("ball_6", "ball_7"):
        shutil.copy(balls / "images" / f"{case}.nii.gz", inputs)
    segkit("predict", f"run={trained}", f"input={ODD}", f"output={ODD} out")
    by_folder = segkit("evaluate", f"predictions={ODD} out", f"references={balls / 'labels'}", "output=by_folder")
    assert "6 references have no mask" in by_folder.stderr
    first, second = (segkit.folder / name / "summary.json" for name in ("by_run", "by_folder"))
    summary = json.loads(first.read_text())
    assert summary["labels"] == json.loads(second.read_text())["labels"]
    assert set(summary["labels"]) == {"bright", "dim"}
    assert summary["mean"]["dice"]["mean"] > 0.7
    assert summary["labels"]["bright"]["dice"]["n"] == 2
    assert (segkit.folder / "by_run" / "cases.csv").read_text().startswith("case,label,metric,value\n")


def test_finished_masks_are_kept_and_a_bad_scan_costs_only_itself(segkit, trained, balls):
    scans = segkit.folder / "scans"
    shutil.copytree(balls / "images", scans)
    (scans / "ball_3.nii.gz").write_bytes(b"not a scan")
    first = segkit("predict", f"run={trained}", "input=scans", "output=masks", expect=1)
    assert len(list((segkit.folder / "masks").glob("*.nii.gz"))) == 7
    assert "ball_3" in first.stderr
    assert "Traceback" not in first.stderr
    times = {path.name: path.stat().st_mtime_ns for path in (segkit.folder / "masks").glob("*.nii.gz")}
    shutil.copy(balls / "images" / "ball_3.nii.gz", scans)
    again = segkit("predict", f"run={trained}", "input=scans", "output=masks")
    assert "7 of 8 masks were there already" in again.stdout
    for name, changed in times.items():
        assert (segkit.folder / "masks" / name).stat().st_mtime_ns == changed


def test_python_door_equals_the_command_line(segkit, trained, balls):
    import segkit as package

    scan = balls / "images" / "ball_7.nii.gz"
    segkit("predict", f"run={trained}", f"input={scan}", "output=masks", "device=cpu", "inference.precision=32")
    from dataclasses import replace

    from segkit.inference.model import standard_options

    model = package.load(trained, device="cpu", options=replace(standard_options(), precision="32"))
    saved = model.segment(scan).save(segkit.folder / "python.nii.gz")
    ours, theirs = (np.asanyarray(nib.load(path).dataobj) for path in (saved, segkit.folder / "masks/ball_7.nii.gz"))
    assert (ours != theirs).mean() < 1e-3  # the two processes may use another number of threads
    assert package.read(scan).array.shape == (1, 22, 20, 16)


def test_an_ensemble_of_two_runs(segkit, trained, balls):
    scan = balls / "images" / "ball_7.nii.gz"
    segkit("predict", f"run=[{trained},{trained}]", f"input={scan}", "output=both")
    segkit("predict", f"run={trained}", f"input={scan}", "output=one")
    both, one = (nib.load(segkit.folder / name / "ball_7.nii.gz") for name in ("both", "one"))
    assert np.array_equal(np.asanyarray(both.dataobj), np.asanyarray(one.dataobj))


def test_slices_of_volumes_with_their_neighbours(segkit, ball_options):
    flat = [option for option in ball_options if not option.startswith("plan.patch")]
    segkit(
        "train", *flat, "plan=slices_2_5d", "plan.patch=[16,16,1]", "network.features=[16,32]", "training.steps=120",
        "output=run",
    )  # fmt: skip
    segkit("evaluate", "run=run")
    assert json.loads((segkit.folder / "run/evaluation/summary.json").read_text())["mean"]["dice"]["mean"] > 0.5


@pytest.fixture
def pictures(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
    rows, columns = np.mgrid[:40, :56]
    for index in range(5):
        draw = np.random.default_rng(index)
        inside = (rows - draw.uniform(12, 28)) ** 2 + (columns - draw.uniform(14, 40)) ** 2 < 64
        picture = np.clip(inside * 80 + 90 + draw.normal(0, 15, inside.shape), 0, 255)
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "pictures" / "images" / f"{index}.png")
        Image.fromarray((inside * 255).astype(np.uint8)).save(tmp_path / "pictures" / "labels" / f"{index}.png")
    return tmp_path / "pictures"


def test_pictures_in_masks_out_with_their_values(segkit, pictures):
    segkit(
        "train", "data=paired", f"data.root={pictures}", "data.labels={background: 0, disc: 255}", "plan=slices_2d",
        "plan.patch=[32,32,1]", "network.features=[4,8]", "training.steps=120", "output=run",
    )  # fmt: skip
    segkit("predict", "run=run", f"input={pictures / 'images'}", "output=masks")
    mask = np.asarray(Image.open(segkit.folder / "masks" / "3.png"))
    assert mask.shape == (40, 56)
    assert set(np.unique(mask)) == {0, 255}
    segkit("evaluate", "predictions=masks", f"references={pictures / 'labels'}", "output=scores")
    summary = json.loads((segkit.folder / "scores" / "summary.json").read_text())
    assert summary["labels"]["disc"]["dice"]["mean"] > 0.8


def test_a_budget_ends_on_time(segkit, ball_options):
    segkit("train", *ball_options, "training.budget=6s", "output=run")
    rows = list(csv.DictReader((segkit.folder / "run" / "metrics.csv").open()))
    seconds = [float(row["seconds"]) for row in rows]
    longest = max(b - a for a, b in pairwise(seconds))
    assert abs(seconds[-1] - 6) <= max(0.02 * 6, longest) + 0.05
    assert float(rows[-1]["learning_rate"]) < 0.05 * max(float(row["learning_rate"]) for row in rows)


def test_a_sweep_trains_one_process_a_trial_and_names_the_one_that_fails(segkit, ball_options):
    segkit("train", "-m", *ball_options, "training.steps=2", "seed=1,2", "output=study")
    runs = sorted(path.parent.parent for path in (segkit.folder / "study").rglob("model.yaml"))
    assert [run.name for run in runs] == ["seed=1", "seed=2"]
    assert all((run / name).is_file() for run in runs for name in ("environment.json", "overrides.yaml", "log.txt"))
    broken = segkit(
        "train", "-m", *ball_options, "training.steps=2", "loss.dice_weight=1.0,2.0", "output=study2",
        "data.split.held_out=null", "data.labels={background: 0, bright: 1}", expect=1,
    )  # fmt: skip
    assert "Traceback" not in broken.stderr


def test_monais_network_by_one_yaml_of_the_users_own(segkit, ball_options, balls):
    (segkit.folder / "mine" / "network").mkdir(parents=True)
    (segkit.folder / "mine" / "network" / "theirs.yaml").write_text(
        "# MONAI's U-Net.\n_target_: monai.networks.nets.UNet\nchannels: [8, 16]\nstrides: [2]\nnum_res_units: 1\n"
    )
    options = [option for option in ball_options if not option.startswith("network")]
    segkit("train", "--config-dir", "mine", *options, "network=theirs", "training.steps=60", "output=run")
    segkit("predict", "run=run", f"input={balls / 'images' / 'ball_6.nii.gz'}", "output=masks")
    mask = nib.load(segkit.folder / "masks" / "ball_6.nii.gz")
    assert set(np.unique(np.asanyarray(mask.dataobj))) <= {0, 1, 2}
