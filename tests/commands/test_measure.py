"""`segkit measure` from files to the table."""

import csv
import json
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from segkit.cli import main

AFFINE = np.diag([-1.0, 2.0, 5.0, 1.0])


@pytest.fixture
def write(tmp_path):
    def written(name, array, affine=AFFINE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.asarray(array), affine), path)
        return path

    return written


@pytest.fixture
def cohort(write):
    """Three masks with their images: a has labels 1 and 2, the latter in two pieces; b and c have label 1 alone."""
    mask = np.zeros((8, 7, 6), np.uint8)
    mask[1:4, 1:3, 1:3] = 1
    mask[5, 5, 1:4] = mask[7, 5, 5] = 2
    for case in "abc":
        write(f"masks/{case}.nii.gz", mask if case == "a" else np.where(mask == 1, mask, 0))
        write(f"images/{case}.nii.gz", np.arange(mask.size, dtype=np.int16).reshape(mask.shape))
    return mask


def measure(tmp_path, *words, expect=0, output="out.csv"):
    given = [f"masks={tmp_path / 'masks'}", f"output={tmp_path / output}", "workers=1", *words]
    assert main(["measure", *given]) == expect
    if not (tmp_path / output).exists():
        return []
    with (tmp_path / output).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_per_case_label_and_component(cohort, tmp_path, capsys):
    rows = measure(tmp_path, f"images={tmp_path / 'images'}", "components=true", "labels={one: 1, two: 2}")
    keys = [(row["case"], row["label"], row["component"], row["voxels"]) for row in rows]
    assert keys[:5] == [
        ("a", "one", "", "12"), ("a", "one", "1", "12"),
        ("a", "two", "", "4"), ("a", "two", "1", "3"), ("a", "two", "2", "1"),
    ]  # fmt: skip
    assert keys[5:] == [
        ("b", "one", "", "12"), ("b", "one", "1", "12"), ("b", "two", "", "0"),
        ("c", "one", "", "12"), ("c", "one", "1", "12"), ("c", "two", "", "0"),
    ]  # fmt: skip
    values = np.arange(cohort.size).reshape(cohort.shape)[cohort == 2]
    assert float(rows[2]["mean"]) == values.mean()
    assert float(rows[2]["volume_ml"]) == pytest.approx(4 * 10 / 1000)
    assert rows[2]["components"] == "2"
    out = capsys.readouterr().out
    assert "median volume_ml" in out
    assert f"wrote {tmp_path / 'out.csv'}" in out


def test_an_empty_label_has_zeros_and_otherwise_nothing(cohort, tmp_path):
    row = measure(tmp_path, f"images={tmp_path / 'images'}")[3]
    assert (row["case"], row["label"]) == ("b", "2")
    filled = {name: cell for name, cell in row.items() if cell}
    assert filled == {"case": "b", "label": "2", "voxels": "0", "components": "0", "volume_ml": "0.0"}
    assert list(row)[:3] == ["case", "label", "component"]
    assert "mean" in row


def test_bad_cases_are_named_and_the_others_written(cohort, write, tmp_path, capsys):
    (tmp_path / "masks" / "torn.nii.gz").write_bytes(b"torn")
    write("images/torn.nii.gz", cohort)
    write("masks/alone.nii.gz", cohort)
    write("masks/twice.nii.gz", cohort)
    write("masks/twice.nii", cohort)
    write("masks/apart.nii.gz", cohort)
    write("images/apart.nii.gz", cohort, np.diag([-1.0, 2.0, 5.1, 1.0]))
    broken = np.where(cohort == 1, np.nan, 0.0)
    write("masks/holed.nii.gz", cohort)
    write("images/holed.nii.gz", broken)
    rows = measure(tmp_path, f"images={tmp_path / 'images'}", expect=1)
    assert sorted({row["case"] for row in rows}) == ["a", "b", "c"]
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert [line.split(": ")[1] for line in errors[:-1]] == ["alone", "apart", "holed", "torn", "twice"]
    assert f"no image in {tmp_path / 'images'} has its name" in errors[0]
    assert "masks/apart.nii.gz and images/apart.nii.gz have the same shape but lie up to" in errors[1]
    assert "label 1: 12 of 12 intensities of the image are not finite" in errors[2].replace("\x1b", "")
    assert "have one case name" in errors[4]
    assert errors[5] == "error: 5 cases could not be measured: alone, apart, holed, torn, twice"


def test_without_images_there_are_no_intensities(cohort, tmp_path):
    rows = measure(tmp_path)
    assert "mean" not in rows[0]
    assert "surface_mm2" in rows[0]


def test_one_image_lies_beneath_several_masks(cohort, tmp_path):
    rows = measure(tmp_path, f"images={tmp_path / 'images' / 'a.nii.gz'}")
    assert {row["mean"] for row in rows if row["label"] == "1"} == {rows[0]["mean"]}
    rows = measure(tmp_path, f"masks={tmp_path / 'masks' / 'b.nii.gz'}", f"images={tmp_path / 'images'}")
    assert [row["case"] for row in rows] == ["b"]


def test_several_channels_by_name_and_in_one_file(cohort, write, tmp_path, capsys):
    for case in "abc":
        for number in range(2):
            write(f"channels/{case}_{number:04d}.nii.gz", np.full(cohort.shape, number + 1, np.int16))
    rows = measure(tmp_path, f"images={tmp_path / 'channels'}", "channels=[T1,T2]")
    assert (rows[0]["T1_mean"], rows[0]["T2_mean"]) == ("1.0", "2.0")
    both = write(
        "both.nii.gz", np.stack([np.full(cohort.shape, 3), np.full(cohort.shape, 4)], axis=-1).astype(np.int16)
    )
    rows = measure(tmp_path, f"images={both}", "channels=[T1,T2]")
    assert (rows[0]["T1_mean"], rows[0]["T2_mean"]) == ("3.0", "4.0")
    assert measure(tmp_path, f"images={both}", output="none.csv", expect=1) == []
    assert "both.nii.gz holds 2 channels and channels names 1: pass channels=[A,B,...]" in capsys.readouterr().err


def test_labels_recorded_beside_the_masks(cohort, tmp_path, capsys):
    manifest = {"labels": {"background": 0, "liver": 1}, "failed": {"d": "it was torn"}}
    (tmp_path / "masks" / "predictions.json").write_text(json.dumps(manifest))
    rows = measure(tmp_path, expect=1)
    assert [row["label"] for row in rows] == ["liver"] * 3
    told = capsys.readouterr().err
    assert "error: d: it was not segmented: it was torn" in told
    assert "masks hold the values 2, which labels do not name: they are not measured" in told


def test_regions_ignored_voxels_and_a_label_of_value_zero(cohort, tmp_path):
    rows = measure(tmp_path, "labels={background: 9, both: [1, 2], rest: 0, ignore: 2}")
    assert [(row["label"], row["voxels"]) for row in rows[:2]] == [("both", "16"), ("rest", str(cohort.size - 16))]


def test_pictures_have_areas(write, tmp_path):
    from PIL import Image

    (tmp_path / "masks").mkdir()
    picture = np.zeros((6, 8), np.uint8)
    picture[1:3, 2:6] = 1
    Image.fromarray(picture).save(tmp_path / "masks" / "p.png")
    row = measure(tmp_path)[0]
    assert (row["voxels"], row["area_mm2"], row["maximum_diameter_mm"]) == ("8", "8.0", repr(np.hypot(4, 1).item()))
    assert (row["first_i"], row["last_i"], row["first_j"], row["last_j"]) == ("2", "5", "1", "2")
    assert "volume_ml" not in row


def test_pictures_and_volumes_in_one_table(cohort, write, tmp_path):
    write("masks/flat.nii.gz", cohort[:, :, 1])
    rows = {row["case"]: row for row in measure(tmp_path) if row["label"] == "1"}
    assert rows["a"]["area_mm2"] == ""
    assert rows["a"]["volume_ml"]
    assert len(rows) == 4


def test_parquet_keeps_numbers(cohort, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(["measure", f"masks={tmp_path / 'masks'}", f"output={tmp_path / 'out.parquet'}", "workers=1"]) == 0
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert (rows[0]["case"], rows[0]["voxels"], rows[0]["component"]) == ("a", 12, None)
    assert rows[3]["surface_mm2"] is None
    assert isinstance(rows[0]["volume_ml"], float)


def test_nothing_to_measure_is_said(write, tmp_path, capsys):
    write("masks/a.nii.gz", np.zeros((3, 3, 3), np.uint8))
    assert measure(tmp_path, expect=1) == []
    assert "no mask holds a value other than 0" in capsys.readouterr().err
    assert [row["voxels"] for row in measure(tmp_path, "labels={liver: 1}")] == ["0"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["output=out.csv"], "masks is not set: pass masks=DIR images=DIR output=FILE.csv"),
        (["masks=."], "output: is not set: pass output=FILE.csv"),
        (["masks=.", "output=out.txt"], "out.txt is no table: pass output=FILE.csv or output=FILE.parquet"),
        (["masks=.", "output=o.csv", "channels=[A]"], "channels: ['A'] names the channels of images"),
        (["masks=.", "output=o.csv", "bin_width=0"], "bin_width: 0 makes no histogram"),
        (["masks=.", "output=o.csv", "bin_widht=1"], "did you mean bin_width"),
        (["masks=nowhere", "output=o.csv"], "masks: there is no file or folder"),
        (["masks=.", "output=o.csv", "labels={a: 1, b: 1}"], "labels a and b both have the value 1"),
    ],
)
def test_mistakes_in_the_call_are_one_line_and_exit_2(words, says, tmp_path, monkeypatch, capsys, write):
    write("m.nii", np.ones((2, 2, 2), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert main(["measure", *words]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert len(told.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.nii"]


def test_images_of_other_cases_are_an_error(cohort, write, tmp_path, capsys):
    write("others/z.nii.gz", cohort)
    assert measure(tmp_path, f"images={tmp_path / 'others'}", expect=1) == []
    assert "has the name of a mask, e.g. z for a" in capsys.readouterr().err


def test_workers_change_nothing_and_torch_is_never_imported(cohort, tmp_path):
    rows = measure(tmp_path, f"images={tmp_path / 'images'}")
    program = f"""
import sys
from segkit.cli import main
words = ["masks={tmp_path / "masks"}", "images={tmp_path / "images"}", "output={tmp_path / "two.csv"}"]
if __name__ == "__main__":
    assert main(["measure", *words, "workers=2"]) == 0
    assert main(["measure", *words, "workers=1"]) == 0
    print(sorted(name for name in ("torch", "monai", "pytorch_lightning") if name in sys.modules))
"""
    (tmp_path / "program.py").write_text(program)
    ran = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
    with (tmp_path / "two.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == rows
