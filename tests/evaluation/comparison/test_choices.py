import math

import numpy as np
import pytest

from segkit.evaluation.comparison.choices import choice_effects, varied_keys

GRID = [{"loss": loss, "network": network, "lr": "1"} for loss in ("dice", "focal") for network in ("s", "l", "xl")]
SCORES = np.array([[1.0, 2, 4, 0, 3, 3], [1, 3, 5, 0, 1, 4]])  # 2 cases; focal is 1, -1, 1 and 1, 2, 1 behind


def interval(by_case):
    return float(by_case.min()), float(by_case.max())


def effects(choices, scores, sign=1):
    return {(e.key, e.value): e for e in choice_effects(choices, scores, sign, interval)}


def test_by_hand():
    found = effects(GRID, SCORES)
    assert {key for key, _ in found} == {"loss", "network"}
    focal = found["loss", "focal"]
    assert (focal.best, focal.settings, focal.worse) == ("dice", 3, 3)
    assert focal.difference == pytest.approx(-(1 - 1 + 1 + 1 + 2 + 1) / 6)
    assert focal.ci95 == pytest.approx((-4 / 3, -1 / 3))
    assert focal.mean == pytest.approx(11 / 6)
    small = found["network", "s"]
    assert small.best == "xl"
    assert small.difference == pytest.approx(((1 - 4 + 0 - 3) / 2 + (1 - 5 + 0 - 4) / 2) / 2)
    assert found["network", "xl"].difference == 0


def test_a_run_that_failed_does_not_tilt_the_others():
    # The best setting of focal is missing: its mean over what is left is low, and its effect is taken without it.
    kept = [0, 1, 2, 3, 4]
    found = effects([GRID[at] for at in kept], SCORES[:, kept])
    focal = found["loss", "focal"]
    assert focal.settings == 2
    assert focal.difference == pytest.approx(-(1 - 1 + 1 + 2) / 4)


def test_lower_is_better():
    found = effects(GRID, SCORES, sign=-1)
    assert found["loss", "dice"].best == "focal"
    assert found["loss", "dice"].difference == pytest.approx(5 / 6)
    assert found["loss", "dice"].worse == 3


def test_choices_that_were_never_tried_alike():
    found = effects([{"loss": "a", "lr": "1"}, {"loss": "b", "lr": "2"}], np.array([[1.0, 2], [1, 3]]))
    assert found["loss", "a"].settings == 0
    assert math.isnan(found["loss", "a"].difference)


def test_a_choice_that_some_runs_leave_out_has_its_default():
    assert varied_keys([{"loss": "a"}, {}]) == ["loss"]
    found = effects([{"loss": "a"}, {}], np.array([[1.0, 2], [1, 3]]))
    assert found["loss", "a"].best == "(default)"
    assert varied_keys([{"loss": "a"}, {"loss": "a"}]) == []
