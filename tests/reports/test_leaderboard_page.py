import pytest

from segkit.reports.html import render
from segkit.reports.leaderboard_page import leaderboard_values

STANDING = {"rank": 1, "name": "a", "score": {"mean": 0.9, "ci95": [0.8, 1.0]}, "difference": None}


@pytest.mark.parametrize(
    ("split", "baseline", "is_spent"),
    [("held_out", None, True), ("held_out", "a", False), ("validation", None, False)],
)
def test_held_out_cases_are_spent_where_the_best_was_found_by_looking(split, baseline, is_spent):
    compared = {"split": split, "baseline": baseline, "verdict": "a leads", "standings": [STANDING]}
    page = render("leaderboard.html", name="study", subtitle="", leaderboard=leaderboard_values(compared), chosen="")
    assert "a leads" in page
    assert ("Held-out cases decide here" in page) is is_spent
