from pathlib import Path

import pytest

from segkit.cli import main
from segkit.commands.predict import check_apart, scans_in
from segkit.config.compose import configure
from segkit.foundation.errors import UsageError


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_a_mask_never_replaces_a_reference(tmp_path):
    folder = touched(tmp_path, "images/a.nii.gz", "labels/a.nii.gz", "other/b.nii.gz")
    scans = {"a": {"CT": folder / "images" / "a.nii.gz"}}
    with pytest.raises(UsageError, match=r"would replace .*labels/a\.nii\.gz, which segkit predict did not write"):
        check_apart(scans, folder / "labels")
    check_apart(scans, folder / "other")
    check_apart(scans, folder / "new")


def test_masks_may_be_renewed_where_they_lie(tmp_path):
    folder = touched(tmp_path, "images/a.nii.gz", "masks/a.nii.gz", "masks/predictions.json")
    check_apart({"a": {"CT": folder / "images" / "a.nii.gz"}}, folder / "masks")


def test_a_filter_of_series_is_refused_where_there_are_none(tmp_path, capsys):
    folder = touched(tmp_path, "scans/a.nii.gz")
    words = [f"input={folder / 'scans'}", "series.modality=CT", "series.min_slices=9"]
    wanted = configure("predict", ["run=x", "output=y", *words])
    for channels in (["CT"], ["T1", "T2"]):
        with pytest.raises(UsageError, match=r"^series\.modality=CT series\.min_slices=9: .*/scans holds none: leave"):
            scans_in(folder / "scans", channels, wanted.series, wanted.dicom)
    assert main(["convert", f"input={folder / 'scans' / 'a.nii.gz'}", *words[1:], f"output={folder / 'b.nii'}"]) == 2
    assert main(["predict", f"run={folder}", "split=held_out", *words[1:]]) == 2
    for said in capsys.readouterr().err.splitlines():
        assert said.startswith("error: series.modality=CT series.min_slices=9: this chooses among DICOM series, and ")
