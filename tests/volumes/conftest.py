"""What several formats' tests need."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from segkit.volumes import voxel_bytes
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume

OBLIQUE = np.array([[-1.2, 0.3, 0.1, 20.5], [0.25, 1.6, -0.4, -31.25], [0.12, 0.45, 2.2, 7.125], [0.0, 0.0, 0.0, 1.0]])


def _orthogonal_affine() -> np.ndarray:
    directions, _ = np.linalg.qr(OBLIQUE[:3, :3])
    affine = OBLIQUE.copy()
    affine[:3, :3] = directions * [0.8, 1.25, 3.0]
    return affine


@pytest.fixture
def oblique() -> np.ndarray:
    """A 4x4 affine, rotated about all axes, without shear."""
    return _orthogonal_affine()


@pytest.fixture
def sheared() -> np.ndarray:
    """A 4x4 affine whose axes are not orthogonal."""
    return OBLIQUE.copy()


@pytest.fixture
def scan() -> Volume:
    """A small oblique 3D volume of int16."""
    voxels = np.random.default_rng(1).integers(-1000, 1000, (1, 5, 4, 3)).astype(np.int16)
    return Volume(voxels, Grid((5, 4, 3), _orthogonal_affine()))


@pytest.fixture(params=["isal", "stdlib"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with ISA-L and again without."""
    if request.param == "stdlib":
        monkeypatch.setattr(voxel_bytes, "igzip", None)
        monkeypatch.setattr(voxel_bytes, "isal_zlib", None)
    elif voxel_bytes.igzip is None:
        pytest.skip("isal is not installed")
    return request.param


@pytest.fixture
def ras_affine() -> Callable[[Any], np.ndarray]:
    """Return a function from a SimpleITK image to its 4x4 RAS+ affine."""

    def affine_of(image: Any) -> np.ndarray:
        dims = image.GetDimension()
        affine = np.eye(4)
        affine[:dims, :dims] = np.array(image.GetDirection()).reshape(dims, dims) * image.GetSpacing()
        affine[:dims, 3] = image.GetOrigin()
        return np.diag([-1, -1, 1, 1]) @ affine

    return affine_of
