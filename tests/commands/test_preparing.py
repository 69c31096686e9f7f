"""What `train`, `prepare` and `inspect` share."""

import subprocess
import sys

import pytest

from segkit.commands.budgets import depends_on_length
from segkit.commands.preparing import may_plan_otherwise
from segkit.config.compose import configure


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plan.batch=2", True),
        ("training.budget=10min", False),
        ("training.steps=100", False),
        ("plan.patch=[32,32,32]", False),
        ("plan.file=plan.yaml", False),
    ],
)
def test_a_budget_may_change_the_patches_that_are_inspected_without_one(word, expected, tmp_path):
    (tmp_path / "plan.yaml").write_text("")
    word = word.replace("plan.yaml", str(tmp_path / "plan.yaml"))
    assert may_plan_otherwise(configure("inspect", ["data=paired", "data.root=cohort", word])) is expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["augmentation=standard"], True),
        (["augmentation=standard", "augmentation.mirror=0.5"], False),
        (["augmentation=light"], False),
        (["augmentation=growing"], True),
    ],
)
def test_augmentation_depends_on_the_length_where_it_leaves_that_open(words, expected):
    config = configure("train", ["data=paired", "data.root=cohort", "training.steps=10", *words])
    assert depends_on_length(config) is expected
    assert not depends_on_length(configure("prepare", ["data=paired", "data.root=cohort"]))


def test_preparing_by_a_stored_plan_needs_no_pytorch():
    code = "import sys, segkit.commands.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
