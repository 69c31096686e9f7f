"""The guides to adding things, followed to the letter in a copy of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation.blocks import PROJECT, blocks, segkit_lines
from tests.test_house_rules import RULES, parse

CONTRIBUTING = PROJECT / "CONTRIBUTING.md"
ADDING = PROJECT / "docs" / "how-to" / "add-your-own.md"
COPIED = ("segkit", "conf", "tests", "pyproject.toml")


class Copy:
    """A copy of the project in which a guide's files were written, and its commands are run."""

    def __init__(self, folder: Path, guide: Path) -> None:
        for name in COPIED:
            source = PROJECT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "documentation"))
            else:
                shutil.copy(source, folder / name)
        self.folder = folder
        self.written = []
        for block in blocks(guide):
            if block.title:
                path = folder / block.title
                assert not path.exists(), f"{block.title} is there already: the guide shows how to add a new file"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body)
                self.written.append(block.title)

    @property
    def tests(self) -> list[str]:
        return [name for name in self.written if name.startswith("tests/")]

    def run(self, *words: str) -> str:
        """Run a module of Python in the copy and return what it printed."""
        environment = {
            **os.environ, "PYTHONPATH": str(self.folder), "SEGKIT_CACHE": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-m", *words], cwd=self.folder, env=environment, text=True, check=False, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def check_style(self) -> None:
        sources = [name for name in self.written if name.endswith(".py")]
        self.run("ruff", "check", "--no-cache", *sources)
        self.run("ruff", "format", "--no-cache", "--check", *sources)

    def check_tests(self, *chosen: str) -> str:
        return self.run("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *chosen)


@pytest.fixture(scope="module")
def contributing(tmp_path_factory) -> Copy:
    return Copy(tmp_path_factory.mktemp("contributing"), CONTRIBUTING)


@pytest.fixture(scope="module")
def adding(tmp_path_factory) -> Copy:
    return Copy(tmp_path_factory.mktemp("adding"), ADDING)


def test_a_loss_is_one_file_one_yaml_and_one_test(contributing):
    assert contributing.written == [
        "segkit/training/losses/log_cosh_dice.py",
        "conf/loss/log_cosh_dice.yaml",
        "tests/training/losses/test_log_cosh_dice.py",
    ]
    contributing.check_style()
    told = contributing.check_tests("tests/training/losses", "-k", "log_cosh_dice")
    assert "failed" not in told
    # The tests of every loss found it, beside the one that was written.
    assert int(told.split(" passed")[0].split()[-1]) > 5


@pytest.mark.parametrize("guide", [CONTRIBUTING, ADDING], ids=lambda guide: guide.name)
def test_the_code_of_a_guide_keeps_the_house_rules(guide):
    modules = [parse(block.body, block.title) for block in blocks(guide) if block.title.startswith("segkit/")]
    assert modules
    assert not [finding for module in modules for rule in RULES for finding in rule(module)]


def test_a_training_takes_the_new_loss_and_help_tells_of_it(contributing):
    (line,) = [words for words in segkit_lines(CONTRIBUTING) if "loss=log_cosh_dice" in words]
    (contributing.folder / "DIR").mkdir(exist_ok=True)
    assert "segkit.training.losses.log_cosh_dice.LogCoshDice" in contributing.run("segkit", *line, "--cfg", "job")
    told = contributing.run("segkit", "train", "--help", "loss=log_cosh_dice")
    assert "above 1 the slope fades later" in told


def test_what_the_guide_adds_passes_the_tests_it_adds(adding):
    adding.check_style()
    assert len(adding.tests) == 3
    assert "3 passed" in adding.check_tests(*adding.tests)


def test_the_network_of_the_guide_trains_and_predicts(adding, two_tiny_cases):
    shutil.copytree(two_tiny_cases, adding.folder / "DIR")
    shutil.copytree(two_tiny_cases / "images", adding.folder / "SCANS")
    train, predict = segkit_lines(ADDING)
    small = ["plan.patch=[16,16,16]", "training.precision=32", "workers=1"]
    adding.run("segkit", *train, *small)
    adding.run("segkit", *predict)
    masks = sorted(path.name for path in (adding.folder / "MASKS").glob("*.nii.gz"))
    assert masks == ["a.nii.gz", "b.nii.gz"]


@pytest.fixture
def two_tiny_cases(tmp_path) -> Path:
    """Two cubes in noise, with references, as two folders whose files pair by name."""
    import nibabel as nib
    import numpy as np

    for number, name in enumerate("ab"):
        draw = np.random.default_rng(number)
        reference = np.zeros((20, 18, 16), np.uint8)
        reference[5 + number : 13, 5:12, 4:11] = 1
        image = (100 * reference + draw.normal(0, 10, reference.shape)).astype(np.float32)
        for folder, array in (("images", image), ("labels", reference)):
            (tmp_path / folder).mkdir(exist_ok=True)
            nib.save(nib.Nifti1Image(array, np.eye(4)), tmp_path / folder / f"{name}.nii.gz")
    return tmp_path
