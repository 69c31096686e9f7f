"""Series of every kind that a SEG can lie beside, and other software that reads SEG."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from pydicom.uid import UltrasoundImageStorage

from segkit.volumes.grid import Grid, affine_from_steps
from segkit.volumes.reading import read
from tests.volumes.dicom.test_mosaic import mosaic

FEET_FIRST = np.array([-1.0, 0, 0, 0, 1, 0])  # rows run to the patient's right, slices upwards to the feet
# What dciodvfy says of every label map: it does not know the class (new in 2024) and judges by rules of binary SEG.
UNKNOWN_CLASS = ("Error - Information Object Not found", "Error - SegmentNumber not monotonically increasing")


def _feet_first(maker):
    steps = [np.array([0, 0, -2.5]) * index for index in range(6)]
    return [
        maker.slice(index, ImageOrientationPatient=[*FEET_FIRST], ImagePositionPatient=[*(maker.origin + step)])
        for index, step in enumerate(steps)
    ]


def _picture(maker):
    picture = maker.bare(Modality="US", SOPClassUID=UltrasoundImageStorage, FrameOfReferenceUID=None)
    return [maker.with_pixels(picture, maker.stored().astype(np.uint8))]


KINDS = {
    "oblique": lambda maker: maker.series(6),
    "feet-first": _feet_first,
    "tilted": lambda maker: maker.series(6, step=maker.step + 0.8 * maker.column),
    "one slice": lambda maker: maker.series(1),
    "enhanced": lambda maker: [maker.enhanced([3, 0, 2, 1, 5, 4])],
    "several enhanced": lambda maker: [maker.enhanced([2, 0, 1]), maker.enhanced([4, 3, 5])],
    "mosaic": lambda maker: [mosaic(maker)],
    "gap": lambda maker: maker.series([0, 1, 3, 4]),
    "without frame of reference": lambda maker: maker.series(4, FrameOfReferenceUID=None),
    "picture": _picture,
}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture
def scan_of(maker, tmp_path):
    """Write a series of a kind and read it."""

    def make(kind, **changes):
        headers = KINDS[kind](maker)
        for header in headers:
            maker.changed(header, **changes)
        return maker.read(maker.save(tmp_path / "series", headers), gaps="resample")

    return make


@pytest.fixture
def verified():
    """Make sure that dciodvfy finds no error in a file, but for what it says of every label map."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed: apt-get install dicom3tools")

    def verify(path):
        done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).splitlines()
        is_map = ".labelmap." in path.name
        errors = [line for line in said if line.startswith("Error") and not (is_map and line.startswith(UNKNOWN_CLASS))]
        assert errors == []
        assert ("Segmentation" in said) != is_map

    return verify


@pytest.fixture
def by_dcmqi(tmp_path):
    """Read the segments of a SEG as dcmqi does: number to voxels and their grid."""
    program = Path(sys.executable).with_name("segimage2itkimage")
    if not program.exists():
        pytest.skip("dcmqi is not installed: pip install dcmqi")

    def segments(path):
        folder = tmp_path / "dcmqi"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command = [program, "--inputDICOM", path, "--outputDirectory", folder, "-t", "nrrd"]
        subprocess.run(command, check=True, capture_output=True)
        found = {}
        for file in folder.glob("*.nrrd"):
            image = SimpleITK.ReadImage(file)
            steps = np.reshape(image.GetDirection(), (3, 3)).T * np.array(image.GetSpacing())[:, None]
            affine = affine_from_steps(steps, image.GetOrigin(), space="LPS")
            values = SimpleITK.GetArrayFromImage(image).T
            found[int(file.stem)] = values, Grid(values.shape, affine)
        return found

    return segments


@pytest.fixture
def saved(tmp_path):
    """Write an object and read it as `segkit.read` does."""

    def save(made, name):
        from segkit.volumes.dicom.derived.objects import save_object

        path = tmp_path / name
        save_object(made, path)
        return path, read(path)

    return save
