import tracemalloc
from collections import namedtuple

import numpy as np
import pytest

from segkit.config.labels import labels_from
from segkit.config.plan import Normalisation
from segkit.datasets import Case
from segkit.foundation.errors import DataError
from segkit.preparation import disk
from segkit.preparation.disk import check_disk, disk_needed, memory_needed
from segkit.preparation.store import prepare_case, total_bytes
from segkit.volumes.grid import affine_from

Usage = namedtuple("Usage", "total used free")
LABELS = labels_from({"background": 0, "one": 1, "two": 2, "three": 3, "four": 4})
SHAPE = (110, 100, 90)


def made_case(write_nifti, *, channels=1, dtype=np.int16, tilt=0.0) -> Case:
    draw, affine = np.random.default_rng(0), affine_from((1.0, 1.0, 1.0))
    affine[1, 2] = tilt
    reference = np.zeros(SHAPE, np.uint8)
    for value in (1, 2, 3, 4):
        reference[20 * value : 20 * value + 19, 10:90, 10:80] = value
    images = {
        f"c{index}": write_nifti(f"c{index}.nii", draw.normal(300, 40, SHAPE).astype(dtype), affine)
        for index in range(channels)
    }
    return Case("a", images, write_nifti("reference.nii", reference, affine))


def isotropic(plan, case, spacing, scheme="zscore"):
    how = dict.fromkeys(case.images, Normalisation(scheme, 200.0, 400.0, 300.0, 40.0))
    return plan(spacing=(spacing,) * 3, normalisation=how)


def test_the_disk_of_a_case_by_hand():
    # 100^3 voxels: 2 bytes each of 2 channels, 1 of the reference; 2 x 10,000 positions of 6 bytes, of which half.
    assert disk_needed((100, 100, 100), channels=2, classes=3) == 4_000_000 + 1_000_000 + 60_000 + disk.RECORDS
    assert disk_needed((100, 100, 100), channels=1, classes=0) == 2_000_000 + disk.RECORDS
    assert disk_needed((10, 1, 1), channels=1, classes=200) == 20 + 10 + 30 + disk.RECORDS


@pytest.mark.parametrize("spacing", [0.7, 1.0, 1.6])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_estimate_is_within_a_tenth_of_the_disk_taken(channels, spacing, write_nifti, plan, tmp_path):
    case = made_case(write_nifti, channels=channels)
    stored = prepare_case(case, plan=isotropic(plan, case, spacing), labels=LABELS, store=tmp_path / "store")
    needed = disk_needed(stored.grid.shape, channels=channels, classes=LABELS.classes)
    assert needed == pytest.approx(total_bytes([stored]), rel=0.1)


def test_the_estimate_of_real_cases_is_within_a_tenth(segkit_data, plan, tmp_path):
    root = segkit_data / "hippocampus"
    labels = labels_from({"background": 0, "anterior": 1, "posterior": 2})
    for path in sorted((root / "images").iterdir())[:5]:
        case = Case(path.name, {"MR": path}, root / "labels" / path.name)
        stored = prepare_case(case, plan=isotropic(plan, case, 0.7), labels=labels, store=tmp_path)
        assert disk_needed(stored.grid.shape, channels=1, classes=3) == pytest.approx(total_bytes([stored]), rel=0.1)


@pytest.mark.parametrize(
    ("spacing", "scheme", "options"),
    [
        (0.8, "clip_zscore", {}),
        (2.0, "clip_zscore", {}),
        (0.9, "zscore_nonzero", {"dtype": np.float32}),
        (1.0, "percentile", {"dtype": np.float64}),
        (0.9, "zscore", {"channels": 3}),
        (1.0, "zscore", {"tilt": 0.3}),
    ],
)
def test_memory_is_bounded_by_what_is_reckoned(spacing, scheme, options, write_nifti, plan, tmp_path):
    case = made_case(write_nifti, **options)
    wanted = isotropic(plan, case, spacing, scheme)
    prepare_case(case, plan=wanted, labels=LABELS, store=tmp_path / "warm")  # imports, and matrices that are kept
    tracemalloc.start()
    stored = prepare_case(case, plan=wanted, labels=LABELS, store=tmp_path / "store")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sheared = stored.scan_grid.is_sheared
    assert sheared == ("tilt" in options)
    reckoned = memory_needed(SHAPE, stored.grid.shape, channels=len(case.images), sheared=sheared)
    assert peak < reckoned < 3 * peak


def test_a_disk_without_room_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: Usage(10**12, 10**12, 4_000_000))
    with pytest.raises(
        DataError, match=r"2 of 5 cases needs about 6\.0 MB .* has 4\.0 MB free: make room \(segkit cache"
    ):
        check_disk([3_000_000, 3_000_000], 5, tmp_path)


def test_room_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: Usage(10**12, 0, 10**12))
    check_disk([25_000_000], 1, tmp_path)
    said = f"preparing 1 of 1 cases needs about 25 MB of disk in {tmp_path}, which has 1000.0 GB free"
    assert said in capsys.readouterr().out
