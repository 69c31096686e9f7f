import numpy as np
from PIL import Image

from segkit.training.curves import draw_progress, read_curves, thinned, waiting_share
from segkit.training.pictures import is_cheap

ROWS = "1,1.0,2.0,0.1,0.5,,\n2,2.0,1.0,0.2,0.25,,\n2,2.5,,,,0.6,0.5\n3,3.0,0.5,0.1,1,,\n4,3."
HEAD = "step,seconds,loss,learning_rate,waiting,dice,dice_a\n"


def test_metrics_become_curves_without_the_half_row(tmp_path):
    (tmp_path / "metrics.csv").write_text(HEAD + ROWS)
    curves = read_curves(tmp_path / "metrics.csv", ["a"])
    assert curves.steps.tolist() == [[1, 1, 2, 0.1, 0.5], [2, 2, 1, 0.2, 0.25], [3, 3, 0.5, 0.1, 1]]
    assert curves.validations.tolist() == [[2, 0.6, 0.5]]
    assert waiting_share(curves.steps, 1).tolist() == [0.5, 0.25, 1.0]
    draw_progress(curves, ["a"], "run", tmp_path / "progress.png")
    with Image.open(tmp_path / "progress.png") as picture:
        assert picture.size == (1100, 700)


def test_one_step_and_no_validation_can_be_drawn(tmp_path):
    (tmp_path / "metrics.csv").write_text(HEAD + ROWS.splitlines()[0] + "\n")
    draw_progress(read_curves(tmp_path / "metrics.csv", ["a"]), ["a"], "run", tmp_path / "progress.png")
    assert (tmp_path / "progress.png").stat().st_size > 1000


def test_thinning_keeps_means():
    rows = np.arange(1000.0)[:, None] * [1.0, 2.0]
    points = thinned(rows)
    assert len(points) == 200
    assert points[0].tolist() == [2.0, 4.0]
    assert np.array_equal(thinned(rows[:150]), rows[:150])
    assert thinned(rows[:201])[-1].tolist() == [200.0, 400.0]


def test_drawing_takes_a_fiftieth_of_the_time_at_most():
    assert is_cheap(0.0, 0.0)
    assert is_cheap(0.2, 10.0)
    assert not is_cheap(0.3, 10.0)
