"""The command line as users type it, on small data."""

import os
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SMALL = ("network.features=[4,8]", "plan.patch=[16,16,16]", "training.precision=32", "inference.precision=32")


class CommandLine:
    """Runs `segkit` in a folder of its own, with a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **os.environ, "SEGKIT_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip

    def start(self, *words: str, code: str | None = None) -> subprocess.Popen:
        program = ["-m", "segkit"] if code is None else ["-c", code]
        return subprocess.Popen(
            [sys.executable, *program, *words], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(
        self, *words: str, code: str | None = None, expect: int | tuple[int, ...] = 0
    ) -> subprocess.CompletedProcess:
        process = self.start(*words, code=code)
        out, err = process.communicate(timeout=300)
        codes = expect if isinstance(expect, tuple) else (expect,)
        assert process.returncode in codes, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start_until_step(self, step: int, run: str, *words: str) -> subprocess.Popen:
        """Start a training and return when metrics.csv of `run` shows a step."""
        process, metrics = self.start(*words), self.folder / run / "metrics.csv"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if metrics.exists() and f"\n{step}," in metrics.read_text():
                return process
            time.sleep(0.002)
        raise AssertionError(f"the training ended before it showed step {step}: {process.communicate()}")


@pytest.fixture(scope="session")
def uninterrupted_line(tmp_path_factory) -> CommandLine:
    """The command line in a folder that a whole session shares."""
    return CommandLine(tmp_path_factory.mktemp("uninterrupted"))


@pytest.fixture
def segkit(tmp_path) -> CommandLine:
    """The command line in an empty folder."""
    return CommandLine(tmp_path)


@pytest.fixture(scope="session")
def balls(tmp_path_factory) -> Path:
    """Images of a bright ball and a dim one in noise, oblique and anisotropic, with two labels."""
    root = tmp_path_factory.mktemp("balls")
    angle = 0.2
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.diag([-1.0, 1.0, 1.5])
    affine[:3, 3] = (30, -20, 10)
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    for index in range(8):
        draw = np.random.default_rng(index)
        grid = np.stack(np.meshgrid(*[np.arange(n) for n in (22, 20, 16)], indexing="ij"))
        reference = np.zeros(grid.shape[1:], np.uint8)
        for label, low, high in ((1, 4, 8), (2, 12, 15)):
            centre = [draw.uniform(low, high), *draw.uniform(6, 10, 2)]
            reference[((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) < 16] = label
        image = np.choose(reference, (0, 100, 60)) + draw.normal(0, 20, reference.shape)
        scan = nib.Nifti1Image(image.astype(np.int16), affine)
        scan.set_qform(affine, 1)
        scan.set_sform(affine, 2)
        nib.save(scan, root / "images" / f"ball_{index}.nii.gz")
        nib.save(nib.Nifti1Image(reference, affine), root / "labels" / f"ball_{index}.nii.gz")
    (root / "held_out.txt").write_text("ball_6\nball_7\n")
    return root


@pytest.fixture(scope="session")
def ball_options(balls) -> tuple[str, ...]:
    """What `segkit train` needs for the balls."""
    return (
        "data=paired", f"data.root={balls}", "data.labels={background: 0, bright: 1, dim: 2}",
        f"data.split.held_out={balls / 'held_out.txt'}", *SMALL,
    )  # fmt: skip
