import os
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from segkit.preparation.contents import content_hash, hashes


def test_hashes_by_role(write_case):
    case = write_case()
    found = hashes(case)
    assert list(found) == ["MR", "reference"]
    assert found["MR"] == content_hash(case.images["MR"])
    assert list(hashes(replace(case, reference=None))) == ["MR"]


def test_a_folder_of_slices_counts_as_its_files(tmp_path):
    for name, content in (("2.dcm", b"two"), ("1.dcm", b"one")):
        (tmp_path / name).write_bytes(content)
    before = content_hash(tmp_path)
    os.utime(tmp_path / "1.dcm", (0, 0))
    assert content_hash(tmp_path) == before
    (tmp_path / "1.dcm").write_bytes(b"ONE")
    assert content_hash(tmp_path) != before


@pytest.mark.parametrize("suffix", [".hdr", ".img", ".mhd", ".nhdr"])
def test_voxels_in_a_second_file_count(suffix, tmp_path):
    def write(value):
        array = np.full((4, 3, 2), value, np.int16)
        if suffix in (".hdr", ".img"):
            nib.save(nib.Nifti1Pair(array, np.eye(4)), tmp_path / "a.hdr")
        else:
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(tmp_path / f"a{suffix}"))
        return content_hash(tmp_path / f"a{suffix}")

    first, second = write(1), write(2)
    assert first != second
    assert write(1) == first
