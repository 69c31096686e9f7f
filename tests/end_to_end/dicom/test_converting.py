"""Whole exports, as a PACS writes them: listed, filtered and converted."""

import csv
import os
import shutil

import numpy as np
import pytest

from segkit.volumes.dicom.instances import hashed
from tests.end_to_end.dicom.exports import SOME, TILTED, nifti, zipped
from tests.volumes.dicom.drawn import LESION, LIVER, STEP, grid_of, save, series, uid, values_of, write_seg

GRID = "1.2 x 0.9 x 2.5"


LISTED = {  # description: modality, size, spacing, words of what is odd
    ("thorax", "12 x 10 x 6"): ("CT", GRID, "2 copies left out"),
    ("abdomen", "12 x 10 x 6"): ("CT", GRID, ""),
    ("tilted", "12 x 10 x 6"): ("CT", "1.2 x 0.9 x 2.625", "tilted by 17.7 degrees"),
    ("uneven", "12 x 10 x 6"): ("CT", GRID, "1 slice is missing"),
    ("scout", "12 x 10 x 1"): ("CT", "1.2 x 0.9 x 9", "localizer; one slice, whose thickness is 9 mm"),
    ("capture", "12 x 10"): ("OT", "1 x 1", "screen capture"),
}


def test_the_table_lists_what_is_there_with_what_is_odd(segkit, way):
    said = segkit("convert", f"input={way}", "list=true", "output=table.csv")
    rows = list(csv.DictReader((segkit.folder / "table.csv").open()))
    assert len(rows) == 9
    for row in rows:
        if row["description"] == "perfusion":
            continue
        modality, spacing, odd = LISTED[row["description"], row["size"]]
        assert (row["modality"], row["spacing (mm)"]) == (modality, spacing)
        assert odd in row["what is odd"] if odd else not row["what is odd"]
        assert row["series"] == hashed(uid("P2" if row["description"] == "abdomen" else "P1", row["description"]))
        assert row["transfer syntax"] == "Explicit VR Little Endian"
    volumes = [row for row in rows if row["description"] == "perfusion"]
    assert [row["series"] for row in volumes] == [f"{hashed(uid('P2', 'perfusion'))}_{n}" for n in (1, 2, 3)]
    for number, row in enumerate(volumes, start=1):
        assert row["size"] == "12 x 10 x 4"
        assert f"volume {number} of 3 (time point {number}" in row["what is odd"]
    assert "beside them: 1 RTSTRUCT, 1 SEG, 1 SR" in said.stdout
    assert not said.stderr
    assert sorted(os.listdir(segkit.folder)) == ["table.csv"]  # noqa: PTH208


def test_every_series_that_can_be_read_is_written_and_the_others_are_named(segkit, way):
    said = segkit("convert", f"input={way}", "output=out", expect=1)
    uneven, perfusion = hashed(uid("P1", "uneven")), hashed(uid("P2", "perfusion"))
    names = [hashed(uid(patient, name)) for patient, name in (("P1", "thorax"), ("P2", "abdomen"), ("P1", "tilted"))]
    names += [f"{perfusion}_{number}" for number in (1, 2, 3)]
    assert {path.name for path in (segkit.folder / "out").iterdir()} == {f"{name}.nii.gz" for name in names}
    assert f"error: {uneven}: " in said.stderr
    assert f"1 of 7 series failed: {uneven}" in said.stderr
    assert "Traceback" not in said.stderr
    for name, values, step in zip(
        names, [values_of(), values_of() + 7, values_of()], [STEP, STEP, TILTED], strict=False
    ):
        array, affine = nifti(segkit.folder / "out" / f"{name}.nii.gz")
        assert np.array_equal(array, values)
        np.testing.assert_allclose(affine, grid_of(step=step).affine, atol=1e-4)
    for number in (1, 2, 3):
        assert np.array_equal(nifti(segkit.folder / "out" / f"{perfusion}_{number}.nii.gz")[0], SOME + 1000 * number)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("series.modality=CT", "series.min_slices=6", "dicom.gaps=resample"), 4),
        (("series.modality=[mr,OT]",), 4),
        (("series.description=*O*", "series.modality=CT", "series.min_slices=2"), 2),
        (("series.description=[scout,uneven]", "dicom.gaps=resample"), 2),
        ((f"series.uid={uid('P1', 'tilted')}",), 1),
        ((f"series.uid={hashed(uid('P2', 'perfusion'))}",), 3),
        ((f"series.uid={hashed(uid('P2', 'perfusion'))}_2",), 1),
        (("series.modality=MR", "dicom.volumes=channels"), 1),
    ],
)
def test_filters_choose(segkit, export, words, count):
    segkit("convert", f"input={export}", "output=out", *words)
    assert len(list((segkit.folder / "out").iterdir())) == count


def test_one_series_becomes_one_file(segkit, export):
    several = segkit("convert", f"input={export}", "output=one.nii.gz", expect=1)
    assert "holds 7 volumes" in several.stderr
    assert "series.uid=" in several.stderr
    assert not list(segkit.folder.iterdir())
    segkit("convert", f"input={export}", "series.description=tilted", "output=one.nii.gz")
    assert np.array_equal(nifti(segkit.folder / "one.nii.gz")[0], values_of())
    segkit("convert", f"input={export}", "series.modality=MR", "dicom.volumes=channels", "output=time.nii.gz")
    array = nifti(segkit.folder / "time.nii.gz")[0].squeeze()
    assert np.array_equal(array, np.stack([SOME + 1000 * time for time in (1, 2, 3)], axis=-1))


def test_a_gap_is_filled_by_the_mean_of_its_neighbours(segkit, export):
    words = ("series.description=uneven", "dicom.gaps=resample", "output=out.nii.gz")
    segkit("convert", f"input={export}", *words)
    array, affine = nifti(segkit.folder / "out.nii.gz")
    expected = np.insert(values_of(), 3, values_of()[..., 2] + 50, axis=2)
    assert np.array_equal(array, expected)
    np.testing.assert_allclose(affine, grid_of().affine, atol=1e-4)


def test_padding_is_kept_or_the_lowest_that_was_measured(segkit):
    values = values_of() + 5
    values[:3] = -2000
    save(segkit.folder / "ct", series("padded", values, PixelPaddingValue=-2000))
    segkit("convert", "input=ct", "output=keep.nii.gz")
    assert nifti(segkit.folder / "keep.nii.gz")[0].min() == -2000
    segkit("convert", "input=ct", "dicom.padding=lowest", "output=lowest.nii.gz")
    array = nifti(segkit.folder / "lowest.nii.gz")[0]
    assert np.array_equal(array, np.where(values == -2000, 8, values))  # the first column that was measured is 3


@pytest.mark.parametrize("like", ["export", "zip"])
def test_drawings_become_masks_on_the_grid_of_their_series(segkit, export, like):
    where = export if like == "export" else zipped(export, segkit.folder / "export.zip")
    segkit("convert", f"input={export}/9A/00F1", f"like={where}", "output=seg.nii.gz")
    segkit("convert", f"input={export}/9A/00F2", f"like={where}", "output=rt.nii.gz")
    segkit("convert", f"input={where}", "series.description=thorax", "output=ct.nii.gz")
    mask, affine = nifti(segkit.folder / "seg.nii.gz")
    assert np.array_equal(mask, np.select([LESION, LIVER], [2, 1], 0))
    assert np.array_equal(nifti(segkit.folder / "rt.nii.gz")[0], LIVER)
    assert np.array_equal(affine, nifti(segkit.folder / "ct.nii.gz")[1])


def test_the_same_image_twice_under_two_names_is_read_once(segkit):
    slices = series()
    save(segkit.folder / "ct", slices)
    save(segkit.folder / "ct", slices, "COPY{}")
    segkit("convert", "input=ct", "output=out.nii.gz")
    assert np.array_equal(nifti(segkit.folder / "out.nii.gz")[0], values_of())


def test_a_dicomdir_changes_nothing(segkit, export):
    shutil.copytree(export, segkit.folder / "copy")
    said = segkit("convert", "input=copy", "list=true")
    (segkit.folder / "copy" / "DICOMDIR").unlink()
    assert segkit("convert", "input=copy", "list=true").stdout == said.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("convert input=gone output=out.nii.gz", "gone"),
        ("convert input=ct", "output is not set"),
        ("convert list=true", "what to convert is not set"),
        ("convert input=ct list=true output=table.txt", ".csv"),
        ("convert input=ct output=out.nii.gz series.modalty=CT", "did you mean series.modality"),
        ("convert input=ct output=out.nii.gz dicom.gaps=fill", "refuse"),
        ("convert input=ct output=out.nii.gz dicom.volumes=all", "split"),
        ("convert input=ct output=out.nii.gz dicom.padding=0", "keep"),
        ("convert input=ct output=out.nii.gz series.min_slices=0", "series.min_slices"),
        ("convert input=ct output=out.xyz", "does not write this format"),
        ("convert input=ct like=gone output=out.nii.gz", "gone"),
    ],
)
def test_a_mistake_in_the_call_is_one_line_and_exit_2(segkit, words, says):
    save(segkit.folder / "ct", series())
    said = segkit(*words.split(), expect=2)
    (line,) = said.stderr.strip().splitlines()
    assert says in line
    assert [path.name for path in segkit.folder.iterdir()] == ["ct"]


def test_a_seg_of_another_series_is_refused_or_warned_of(segkit):
    save(segkit.folder / "ct", series())
    write_seg(segkit.folder / "other.dcm", series("other", patient="P2"), {"liver": LIVER})
    said = segkit("convert", "input=other.dcm", "like=ct", "output=mask.nii.gz", expect=(0, 1))
    assert "other.dcm" in said.stderr


def test_an_image_is_no_drawing(segkit):
    save(segkit.folder / "ct", series())
    said = segkit("convert", "input=ct/IM000", "like=ct", "output=mask.nii.gz", expect=1)
    (line,) = said.stderr.strip().splitlines()
    assert "IM000: is no DICOM SEG and no structure set, but CT" in line
    assert not (segkit.folder / "mask.nii.gz").exists()
