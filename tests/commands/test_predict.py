from pathlib import Path

import pytest

from segkit.commands.predict import check_apart
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
