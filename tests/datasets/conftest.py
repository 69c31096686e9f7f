"""Tiny volumes, written where a layout expects them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write


@pytest.fixture
def touch(tmp_path) -> Callable[..., Path]:
    """Return a function that writes tiny volumes below the test's folder."""

    def write_all(*names: str, channels: int = 1) -> Path:
        for name in names:
            write(Volume(np.zeros((channels, 2, 2, 2), np.uint8), Grid((2, 2, 2), np.eye(4))), tmp_path / name)
        return tmp_path

    return write_all


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A DICOM export of three patients."""
    from tests.datasets.dicom_trees import write_tree

    return write_tree(tmp_path / "export")
