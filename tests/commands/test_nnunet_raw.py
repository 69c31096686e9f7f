import json

import nibabel as nib
import numpy as np
import pytest

from segkit.commands.convert import convert
from segkit.commands.nnunet_raw import write_nnunet
from segkit.config.compose import configure
from segkit.datasets import NnUNetRaw
from segkit.datasets.dataset import open_dataset
from segkit.datasets.phantom import make_cohort
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.preparation.scans import read_reference, read_scan
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.selection import Selection
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write, write_mask

AFFINE = np.array([[-1.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])
SHAPE = (5, 4, 3)


def options(root, *words, data="paired"):
    return configure("convert", [f"data={data}", f"data.root={root}", "output=x", "data.split.folds=2", *words]).data


def voxels(seed, *, channels=1, kind=np.int16):
    return np.random.default_rng(seed).integers(0, 99, (channels, *SHAPE)).astype(kind)


def labelled(seed, values=(0, 1)):
    return np.random.default_rng(seed).choice(values, (1, *SHAPE)).astype(np.int16)


@pytest.fixture
def cohort(tmp_path):
    """Return a function that writes cases of one image and one reference each."""

    def make(*names, values=(0, 1), channels=1):
        root = tmp_path / "cohort"
        for seed, name in enumerate(names):
            write(Volume(voxels(seed, channels=channels), Grid(SHAPE, AFFINE)), root / "images" / f"{name}.mha")
            write(Volume(labelled(seed, values), Grid(SHAPE, AFFINE)), root / "labels" / f"{name}.nrrd")
        return root

    return make


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.nii.gz"))


def same_cases(before, after, names):
    """Compare voxels and stored classes of cases of two data sets."""
    for name in names:
        one, other = before.cases[name], after.cases[name]
        scan, again = read_scan(one.images, before.channels), read_scan(other.images, after.channels)
        assert np.array_equal(scan.array, again.array)
        np.testing.assert_allclose(scan.grid.affine, again.grid.affine, atol=1e-6)
        expected = read_reference(one.reference, scan.grid, before.labels)
        assert np.array_equal(expected, read_reference(other.reference, again.grid, after.labels))


def test_a_data_set_comes_back_as_it_was(tmp_path, cohort, capsys):
    root, output = cohort("a", "b", "c", "d"), tmp_path / "nnUNet_raw" / "Dataset001_X"
    (root / "held_out.txt").write_text("d\n")
    words = [f"data.split.held_out={root}/held_out.txt", "data.name=x", "data.channels={venous: ct}"]
    write_nnunet(options(root, *words), output, workers=1)
    assert files(output) == [
        *("imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz", "imagesTr/c_0000.nii.gz", "imagesTs/d_0000.nii.gz"),
        *("labelsTr/a.nii.gz", "labelsTr/b.nii.gz", "labelsTr/c.nii.gz", "labelsTs/d.nii.gz"),
    ]
    assert json.loads((output / "dataset.json").read_text()) == {
        "name": "x",
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "foreground": 1},
        "numTraining": 3,
        "file_ending": ".nii.gz",
    }
    folds = json.loads((output / "splits_final.json").read_text())
    assert [sorted(fold["train"] + fold["val"]) for fold in folds] == [["a", "b", "c"]] * 2
    assert sorted(folds[0]["val"] + folds[1]["val"]) == ["a", "b", "c"]
    before, after = open_dataset(options(root)), open_dataset(options(output, data="nnunet"))
    assert after.channels["CT"].family == "ct"
    same_cases(before, after, "abcd")


def test_labels_are_numbered_and_regions_kept(tmp_path, cohort):
    root = cohort("a", "b", "c", values=(0, 10, 20, 40, 99))
    labels = "data.labels={background: 0, whole: [10, 20, 40], core: [20, 40], enhancing: 40, ignore: 99}"
    given = options(root, labels, "data.region_order=[10, 20, 40]")
    write_nnunet(given, tmp_path / "out", workers=1)
    description = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert description["labels"] == {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    assert description["regions_class_order"] == [1, 2, 3]
    written = read(tmp_path / "out" / "labelsTr" / "a.nii.gz").array
    expected = np.searchsorted([0, 10, 20, 40, 99], labelled(0, (0, 10, 20, 40, 99)))
    assert written.dtype == np.uint8
    assert np.array_equal(written, expected)
    after = open_dataset(options(tmp_path / "out", data="nnunet"))
    assert (after.labels.region_order, after.labels.ignore) == ((1, 2, 3), 4)
    same_cases(open_dataset(given), after, "abc")


def test_a_file_of_several_channels_is_split(tmp_path, cohort):
    root = cohort("a", "b", channels=2)
    channels = "data.channels={T2: mr, ADC: mr}"
    write_nnunet(options(root, channels), tmp_path / "out", workers=1)
    for number in range(2):
        written = read(tmp_path / "out" / "imagesTr" / f"b_000{number}.nii.gz").array
        assert np.array_equal(written[0], voxels(1, channels=2)[number])
    same_cases(open_dataset(options(root, channels)), open_dataset(options(tmp_path / "out", data="nnunet")), "ab")


def test_a_nifti_keeps_its_affine_bit_for_bit(tmp_path, cohort):
    root = cohort("a", "b")
    affine = AFFINE + np.array([[0.1, 0.01, 0, 1 / 3], *[[0] * 4] * 3])
    image = nib.Nifti1Image(voxels(0)[0], None)
    image.set_sform(affine, code=2)
    image.set_qform(AFFINE, code=1)
    nib.save(image, root / "images" / "c.nii.gz")
    nib.save(nib.Nifti1Image(labelled(0)[0], image.affine), root / "labels" / "c.nii.gz")
    write_nnunet(options(root), tmp_path / "out", workers=1)
    for name in ("imagesTr/c_0000.nii.gz", "labelsTr/c.nii.gz"):
        written = nib.load(tmp_path / "out" / name).header
        source = nib.load(root / "images" / "c.nii.gz").header
        for field in ("srow_x", "srow_y", "srow_z", "sform_code", "qform_code", "quatern_b", "pixdim"):
            assert np.array_equal(written[field], source[field])


def test_pictures_become_flat_volumes(tmp_path):
    root, grid = tmp_path / "pictures", Grid((6, 5), np.eye(4))
    colours = np.random.default_rng(0).integers(0, 255, (3, 6, 5)).astype(np.uint8)
    for name in "ab":
        write(Volume(colours, grid), root / "images" / f"{name}.png")
        write(Volume((colours[:1] > 99).astype(np.uint8) * 255, grid), root / "labels" / f"{name}.png")
    write_nnunet(options(root, data="pictures"), tmp_path / "out", workers=1)
    assert [path for path in files(tmp_path / "out") if "/a" in path] == [
        *(f"imagesTr/a_000{number}.nii.gz" for number in range(3)),
        "labelsTr/a.nii.gz",
    ]
    assert np.array_equal(read(tmp_path / "out" / "imagesTr" / "a_0001.nii.gz").array[0, :, :, 0], colours[1])
    assert np.array_equal(read(tmp_path / "out" / "labelsTr" / "a.nii.gz").array[0, :, :, 0], colours[0] > 99)
    names = json.loads((tmp_path / "out" / "dataset.json").read_text())["channel_names"]
    assert names == dict.fromkeys("012", "rgb_to_0_1")


def test_finished_cases_are_not_written_again(tmp_path, cohort, capsys):
    root, output = cohort("a", "b", "c"), tmp_path / "out"
    write_nnunet(options(root), output, workers=1)
    (output / "labelsTr" / "b.nii.gz").unlink()
    write(Volume(voxels(7), Grid(SHAPE, AFFINE)), root / "images" / "c.mha")
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.nii.gz")}
    write_nnunet(options(root), output, workers=1)
    changed = {path.name for path in output.rglob("*.nii.gz") if before.get(path) != path.stat().st_mtime_ns}
    assert changed == {"b_0000.nii.gz", "b.nii.gz", "c_0000.nii.gz", "c.nii.gz"}
    assert "1 of 3 cases were there already" in capsys.readouterr().out
    assert np.array_equal(read(output / "imagesTr" / "c_0000.nii.gz").array, voxels(7))
    write_nnunet(options(root, "data.labels={background: 1, foreground: 0}"), output, workers=1)
    assert np.array_equal(read(output / "labelsTr" / "a.nii.gz").array, 1 - labelled(0))


def test_a_bad_case_is_named_and_leaves_nothing(tmp_path, cohort, capsys):
    root, output = cohort("a", "b", "c", "d"), tmp_path / "out"
    write_nnunet(options(root), output, workers=1)
    (root / "images" / "b.mha").write_bytes(b"")
    (root / "labels" / "d.nrrd").unlink()
    with pytest.raises(CasesFailedError, match="2 of 4 cases could not be converted: b, d"):
        write_nnunet(options(root), output, workers=1)
    assert "b: " in capsys.readouterr().err
    assert files(output) == [
        f"{folder}/{name}.nii.gz"
        for folder, name in (("imagesTr", "a_0000"), ("imagesTr", "c_0000"), ("labelsTr", "a"), ("labelsTr", "c"))
    ]
    assert json.loads((output / "dataset.json").read_text())["numTraining"] == 2
    folds = json.loads((output / "splits_final.json").read_text())
    assert {name for fold in folds for part in fold.values() for name in part} == {"a", "c"}


def test_cases_without_reference_are_tests_without_labels(tmp_path, cohort):
    root = cohort("a", "b", "c")
    rows = ["case,image,reference", "a,images/a.mha,labels/a.nrrd", "b,images/b.mha,", "c,images/c.mha,labels/c.nrrd"]
    (root / "cases.csv").write_text("\n".join(rows))
    write_nnunet(options(root, data="table"), tmp_path / "out", workers=1)
    assert (tmp_path / "out" / "imagesTs" / "b_0000.nii.gz").is_file()
    assert not (tmp_path / "out" / "labelsTs").exists()
    assert NnUNetRaw(str(tmp_path / "out")).cases(["MR"])[1].reference is None


def test_too_few_cases_make_no_folds(tmp_path, cohort, capsys):
    write_nnunet(options(cohort("a", "b"), "data.split.folds=5"), tmp_path / "out", workers=1)
    assert "no splits_final.json: 2 cases or groups" in capsys.readouterr().out
    assert not (tmp_path / "out" / "splits_final.json").exists()


def test_folds_that_were_made_before_are_kept(tmp_path, cohort):
    root, output = cohort("a", "b", "c"), tmp_path / "out"
    write_nnunet(options(root, "data.split.folds=leave_one_out"), output, workers=1)
    folds = json.loads((output / "splits_final.json").read_text())
    assert sorted(fold["val"] for fold in folds) == [["a"], ["b"], ["c"]]
    (tmp_path / "mine.json").write_text(json.dumps(folds[:2]))
    write_nnunet(options(root, f"data.split.file={tmp_path}/mine.json"), output, workers=1)
    assert json.loads((output / "splits_final.json").read_text()) == folds[:2]


def test_folders_of_other_files_are_refused(tmp_path, cohort):
    root, output = cohort("a", "b", "c"), tmp_path / "out"
    write_nnunet(options(root), output, workers=1)
    with pytest.raises(UsageError, match="is the folder of the data set itself"):
        write_nnunet(options(output, data="nnunet"), output, workers=1)
    (root / "held_out.txt").write_text("b\n")
    with pytest.raises(
        UsageError, match=r"holds imagesTr/b_0000\.nii\.gz, which is no part of this data set and split"
    ):
        write_nnunet(options(root, f"data.split.held_out={root}/held_out.txt"), output, workers=1)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "dataset.json").write_text("{}")
    with pytest.raises(UsageError, match="holds a data set that segkit did not write"):
        write_nnunet(options(root), tmp_path / "theirs", workers=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file: name the folder"):
        convert(configure("convert", ["data=paired", f"data.root={root}", f"output={tmp_path}/file"]))


def test_real_cases_survive_the_round_trip(tmp_path, segkit_data, capsys):
    root = tmp_path / "few"
    names = ["hippocampus_001", "hippocampus_003", "hippocampus_004", "hippocampus_008"]
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
        for name in names:
            (root / part / f"{name}.nii.gz").symlink_to(segkit_data / "hippocampus" / part / f"{name}.nii.gz")
    (root / "held_out.txt").write_text(f"{names[1]}\n")
    words = ["data=hippocampus", f"data.root={root}", f"output={tmp_path}/out", "workers=2", "data.split.folds=3"]
    assert convert(configure("convert", words)) == tmp_path / "out"
    assert f"wrote {tmp_path}/out" in capsys.readouterr().out
    before = open_dataset(options(root, data="hippocampus"))
    after = open_dataset(options(tmp_path / "out", data="nnunet"))
    assert after.labels == before.labels
    assert [name for name, case in after.cases.items() if case.columns] == [names[1]]
    same_cases(before, after, names)
    for name in names:
        part = "Ts" if name == names[1] else "Tr"
        written = nib.load(tmp_path / "out" / f"images{part}" / f"{name}_0000.nii.gz")
        source = nib.load(segkit_data / "hippocampus" / "images" / f"{name}.nii.gz")
        assert np.array_equal(written.affine, source.affine)
        assert np.array_equal(written.get_fdata(), source.get_fdata())


def test_dicom_series_become_files_on_their_own_grid(tmp_path):
    root = make_cohort(tmp_path / "cohort", cases=3, seed=1, held_out=1, workers=1).folder
    write_nnunet(options(root, data="phantom_ct"), tmp_path / "out", workers=1)
    before = open_dataset(options(root, data="phantom_ct"))
    after = open_dataset(options(tmp_path / "out", data="nnunet"))
    places = [place for case in before.cases.values() for place in (*case.images.values(), case.reference)]
    assert all(isinstance(place, Selection) for place in places)
    assert sum(case.columns.get("part") == "test" for case in after.cases.values()) == 1
    same_cases(before, after, before.cases)


def test_a_killed_conversion_goes_on(tmp_path, cohort, monkeypatch):
    root, output = cohort("a", "b", "c"), tmp_path / "out"
    written = []

    def killed(*arguments):
        written.append(arguments)
        if len(written) == 2:
            raise KeyboardInterrupt
        write_mask(*arguments)

    monkeypatch.setattr("segkit.commands.nnunet_raw.write_mask", killed)
    with pytest.raises(KeyboardInterrupt):
        write_nnunet(options(root), output, workers=1)
    assert not (output / "dataset.json").exists()
    monkeypatch.undo()
    before = (output / "labelsTr" / "a.nii.gz").stat().st_mtime_ns
    write_nnunet(options(root), output, workers=1)
    assert (output / "labelsTr" / "a.nii.gz").stat().st_mtime_ns == before
    same_cases(open_dataset(options(root)), open_dataset(options(output, data="nnunet")), "abc")
