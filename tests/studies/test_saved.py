import math

import pytest

from segkit.evaluation.grouping import Grouping
from segkit.evaluation.summary import summarise
from segkit.evaluation.tables import write_evaluation
from segkit.foundation.errors import DataError
from segkit.studies.saved import Meaning, read_evaluation, read_scores


def test_what_was_written_is_read_back(tmp_path):
    scores = {"a, 1": {"liver": {"dice": 1 / 3, "iou": math.nan}}, "b": {"liver": {"dice": 0.5, "iou": math.inf}}}
    grouping = Grouping(clusters={"a, 1": "p"}, cluster_by="patient")
    evaluation = summarise(scores, ["liver"], ["dice", "iou"], failed={}, resamples=100, seed=0, grouping=grouping)
    write_evaluation(evaluation, tmp_path, {"split": "held_out"})
    found = read_evaluation(tmp_path)
    assert found.scores["b"] == scores["b"]
    assert math.isnan(found.scores["a, 1"]["liver"]["iou"])
    assert found.clusters == {"a, 1": "p"}
    assert found.source == {"split": "held_out"}
    assert found.metrics["volume_difference"] == Meaning("ml", None)
    assert found.metrics["dice"] == Meaning("", True)


def test_a_table_of_another_program_needs_no_summary(tmp_path):
    (tmp_path / "cases.csv").write_text("case,label,metric,value\na,1,dice,0.5\n")
    found = read_evaluation(tmp_path)
    assert found.scores == {"a": {"1": {"dice": 0.5}}}
    assert found.metrics["dice"].higher_is_better


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,label,value\na,1,0.5\n", "has no column metric"),
        ("case,label,metric,value\na,1,dice,good\n", "line 2: 'good' is no number"),
        ("case,label,metric,value\na,1,dice,1\na,1,dice,0\n", "line 3: a second dice of 1 in a"),
        ("case,label,metric,value\na,1,dice\n", "line 2: None is no number"),
    ],
)
def test_a_table_that_is_none(tmp_path, text, message):
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_scores(tmp_path / "cases.csv")
