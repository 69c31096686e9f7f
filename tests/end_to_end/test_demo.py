"""`segkit demo`, shortened: every step runs, and masks lie on the grids of the DICOM series."""

import shlex

import numpy as np
import pytest

import segkit as package


@pytest.fixture(scope="module")
def demo(uninterrupted_line):
    return uninterrupted_line("demo", "cases=8", "budget=4s", "output=demo")


def test_masks_lie_on_the_grids_of_their_series(demo, uninterrupted_line):
    folder = uninterrupted_line.folder / "demo"
    masks = sorted((folder / "run" / "predictions" / "held_out").glob("*.nii.gz"))
    assert len(masks) == 6
    for path in masks:
        name = path.name.removesuffix(".nii.gz")
        mask, series = package.read(path), package.read(folder / "cohort" / "images" / name)
        assert mask.grid.shape == series.grid.shape
        assert np.allclose(mask.affine, series.affine, atol=1e-4)  # NIfTI keeps float32
        reference = package.read(folder / "cohort" / "labels" / f"{name}.dcm")
        assert mask.grid.displacement_from(reference.grid) < 1e-3


def test_it_prints_the_baseline_and_three_commands_that_run(demo, uninterrupted_line):
    assert "intensities alone" in demo.stdout
    for organ in ("liver", "spleen", "kidney", "lesion"):
        assert organ in demo.stdout
    commands = [line.strip() for line in demo.stdout.splitlines() if line.startswith("  segkit ")]
    assert len(commands) == 3
    report, predict, sweep = commands
    predicted = uninterrupted_line(*shlex.split(predict)[1:])
    assert "masks" in predicted.stdout
    for command in (report, sweep):
        words = [word for word in shlex.split(command)[1:] if word != "-m"]
        swept = [word for word in words if "seed" not in word]
        uninterrupted_line(*swept, "--cfg", "job")


def test_a_second_call_does_nothing_twice(demo, uninterrupted_line):
    again = uninterrupted_line("demo", "cases=8", "budget=4s", "output=demo")
    assert "finished already" in again.stdout
    assert "segmenting" not in again.stdout
