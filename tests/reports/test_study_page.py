import numpy as np
import pytest

from segkit.reports.drawing import Words, shortened
from segkit.reports.scores import Scores
from segkit.reports.study_page import Run, runs_chart

NOTE = "0.500 (0.440 to 0.560)"


def scored(*dice: float) -> Scores:
    values = {"dice": np.array(dice)[:, None]}
    summary = {"mean": {"dice": {"mean": 0.5, "ci95": [0.44, 0.56]}}}
    return Scores(tuple(f"case {place}" for place in range(len(dice))), ("liver",), ("dice",), values, summary)


def test_a_run_is_called_by_its_choices_and_its_figures_have_room():
    choices = ["network=residual_encoder_unet", "loss=dice_cross_entropy", "optimizer.lr=0.003"]
    runs = [
        Run(",".join([*choices, f"seed={seed}"]), "finished", [*choices, f"seed={seed}"], scores=scored(0.2, 0.8))
        for seed in (1, 2)
    ]
    texts = [mark.text for mark in runs_chart(runs).marks if isinstance(mark, Words)]
    names = texts[texts.index(NOTE) - 1 :: 2][:2]
    assert [name[-8:] for name in names] == ["0.003, 1", "0.003, 2"]
    assert all(len(name) + len(NOTE) <= 55 for name in names)


def test_a_path_among_the_choices_tells_nothing():
    assert Run("weights=a", "finished", ["training.weights=(a path)"]).brief == "weights=a"


def test_dice_is_shown_on_a_plain_scale_however_far_apart_its_cases_lie():
    ticks = [mark.text for mark in runs_chart([Run("a", "finished", scores=scored(0.005, 0.9, 0.95))]).marks
             if isinstance(mark, Words) and mark.anchor == "middle"]  # fmt: skip
    assert ticks == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


@pytest.mark.parametrize(
    ("text", "most", "left"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abc…fg"), ("abcdefg", 0, "a…g")]
)
def test_a_name_that_is_too_long_keeps_both_its_ends(text, most, left):
    assert shortened(text, most) == left
