"""Masks beside real series of many makers: given back voxel for voxel, on their own grid."""

from pathlib import Path

import numpy as np
import pytest

from segkit.config.options import ObjectOptions
from segkit.volumes.dicom.derived.mask import Author, Segment
from segkit.volumes.dicom.derived.objects import save_object
from segkit.volumes.dicom.derived.segmentation import segmentation_of
from segkit.volumes.dicom.derived.source import dicom_source
from segkit.volumes.dicom.selection import DEFAULTS, SeriesSelection
from segkit.volumes.reading import read
from segkit.volumes.turning import turned_onto

SERIES = {
    "enhanced, Agfa": "dicom/dcm_qa_agfa/Agfa",
    "mosaics of three echoes, Siemens": "dicom/dcm_qa_me/In/4_me_fMRI",
    "tilted gantry": "dicom/dicom2nifti/failing/gantrytilting/001",
    "CT with RTSTRUCT": "dicomseg/ibsi1_ct_phantom/image",
}
SEGMENTS = (Segment(1, "liver", (1,)), Segment(2, "left kidney", (2,)))


@pytest.mark.parametrize("name", list(SERIES))
def test_the_mask_of_a_real_series_comes_back(dicom_archive, maker, tmp_path, verified, by_dcmqi, name):
    stack = maker.stacks(Path(dicom_archive) / SERIES[name])[0]
    scan = SeriesSelection((stack,), dicom_archive, DEFAULTS).read()
    labels = np.zeros(scan.grid.shape, np.uint8)
    part = tuple(slice(size // 4, max(size // 2, size // 4 + 1)) for size in labels.shape)
    labels[part] = np.random.default_rng(0).integers(0, 3, labels[part].shape)
    for kind in ("binary", "labelmap"):
        options = ObjectOptions(segmentation=kind, compression="none", terms={})
        path = tmp_path / f"a.{kind}.dcm"
        save_object(segmentation_of(labels, SEGMENTS, dicom_source(scan), Author("a", "1"), options, "x"), path)
        back = read(path)
        assert np.array_equal(back.array[0], labels)
        back.grid.check_same_as(scan.grid, what="SEG and series")
        if kind == "binary" and not scan.grid.is_sheared:
            for number, (values, grid) in by_dcmqi(path).items():
                assert np.array_equal(turned_onto(values, grid, scan.grid, what="dcmqi") != 0, labels == number)
        if name != "enhanced, Agfa":  # whose own UIDs begin with 9999, as none may
            verified(path)
