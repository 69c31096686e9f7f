"""Memory that runs out: once more in less, which is said, and else a line with the numbers."""

import nibabel as nib
import numpy as np
import pytest
import torch

from segkit.foundation.errors import DataError
from segkit.foundation.exhaustion import is_out_of_memory
from segkit.inference import segmenting
from segkit.inference.model import load

ERRORS = {
    "python": MemoryError(),
    "numpy": np._core._exceptions._ArrayMemoryError((1 << 50,), np.dtype("f4")),
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "cpu": RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"),
}


@pytest.fixture
def model(untrained_run):
    return load(untrained_run(), device="cpu")


@pytest.fixture
def scan(tmp_path):
    voxels = np.random.default_rng(0).normal(size=(40, 36, 30)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


@pytest.fixture
def failing(monkeypatch):
    """Let the first attempts fail, and return the work of each attempt."""
    works, real = [], segmenting.labels_on_scan

    def fail(error, times):
        def labels_on_scan(stream, grid, labels, work):
            works.append(work)
            if len(works) <= times:
                raise error
            return real(stream, grid, labels, work)

        monkeypatch.setattr(segmenting, "labels_on_scan", labels_on_scan)
        return works

    return fail


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_once_more_in_half_the_memory_and_it_is_said(model, scan, failing, capsys, error):
    whole = model.segment(scan).array
    works = failing(error, times=1)
    assert np.array_equal(model.segment(scan).array, whole)
    first, second = works
    assert second.bytes <= max(first.bytes / 2, 1e6)  # memory is asked for in whole MB
    assert second.windows <= max(1, first.windows // 2)
    said = capsys.readouterr()
    (line,) = (said.out + said.err).strip().splitlines()
    assert "memory ran out" in line
    assert "inference.memory" in line


def test_a_second_failure_is_a_line_with_the_numbers(model, scan, failing):
    works = failing(MemoryError(), times=2)
    with pytest.raises(
        DataError, match=r"memory ran out: .* are needed .* are free .* set inference\.memory below"
    ) as line:
        model.segment(scan)
    assert len(works) == 2
    assert "\n" not in str(line.value)


def test_other_errors_are_not_taken_for_it(model, scan, failing):
    works = failing(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), times=1)
    with pytest.raises(RuntimeError, match="mat1"):
        model.segment(scan)
    assert len(works) == 1


def test_what_counts_as_out_of_memory():
    assert all(is_out_of_memory(error) for error in ERRORS.values())
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
