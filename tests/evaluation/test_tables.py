import csv
import json
import math
from contextlib import redirect_stdout
from io import StringIO

import pytest

from segkit.evaluation.grouping import Grouping
from segkit.evaluation.metrics import chosen
from segkit.evaluation.settings import Settings
from segkit.evaluation.summary import summarise
from segkit.evaluation.tables import evaluation_table, group_tables, metrics_beside, write_evaluation
from segkit.foundation.console import table

NAMES = [metric.name for metric in chosen(Settings(compute=("overlap",)))]


def scored(*values):
    return {label: dict.fromkeys(NAMES, value) for label, value in zip(("liver", "rare"), values, strict=True)}


@pytest.fixture
def evaluation():
    scores = {"c, 2": scored(0.8, math.nan), "c 1": scored(1 / 3, math.nan)}
    return summarise(scores, ["liver", "rare"], NAMES, failed={"torn": "cannot be read"}, resamples=300, seed=4)


def test_cases_csv_is_long_and_exact(evaluation, tmp_path):
    path, _ = write_evaluation(evaluation, tmp_path / "new" / "folder")
    assert path.name == "cases.csv"
    rows = list(csv.reader(path.open(encoding="utf-8", newline="")))
    assert rows[0] == ["case", "label", "metric", "value"]
    assert len(rows) == 1 + 2 * 2 * len(NAMES)
    assert rows[1] == ["c 1", "liver", "dice", repr(1 / 3)]
    assert ["c, 2", "rare", "iou", ""] in rows
    assert path.read_bytes().count(b"\r") == 0


def test_summary_json_has_the_agreed_shape(evaluation, tmp_path):
    _, path = write_evaluation(evaluation, tmp_path)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    tree = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert set(tree) == {
        "labels", "mean", "groups", "columns", "cases", "failed", "clusters", "metrics", "rules"
    }  # fmt: skip
    assert list(tree["labels"]) == ["liver", "rare"]
    assert list(tree["mean"]) == NAMES
    one = tree["labels"]["liver"]["dice"]
    assert list(one) == ["mean", "std", "median", "iqr", "ci95", "n", "left_out", "infinite"]
    assert one["mean"] == pytest.approx((0.8 + 1 / 3) / 2)
    assert 1 / 3 <= one["ci95"][0] <= one["ci95"][1] <= 0.8
    assert (one["n"], one["left_out"]) == (2, 0)
    assert tree["labels"]["rare"]["dice"] == {
        "mean": None, "std": None, "median": None, "iqr": [None, None], "ci95": [None, None], "n": 0, "left_out": 2,
        "infinite": 0,
    }  # fmt: skip
    assert tree["cases"] == 2
    assert tree["failed"] == [{"case": "torn", "error": "cannot be read"}]
    assert tree["metrics"]["volume_difference"]["unit"] == "ml"
    assert "300 resamples, seed 4" in tree["rules"]["ci95"]


def test_the_console_table(evaluation):
    columns, rows = evaluation_table(evaluation)
    assert columns == ["label", "dice", "95% interval", "iou", "precision", "n", "left out"]
    assert metrics_beside(evaluation, (columns, rows)) == ["sensitivity", "volume_difference"]
    assert [row[0] for row in rows] == ["liver", "rare", "mean"]
    assert rows[0][1:3] == ["0.567", "0.333 to 0.800"]
    assert rows[1][1:] == ["-"] * 4 + ["0", "2"]
    assert all(len(row) == len(columns) for row in rows)


def test_groups_and_patients_stand_in_the_summary(tmp_path):
    scores = {f"c{at}": scored(at / 10, math.nan) for at in range(6)}
    grouping = Grouping({"site": {case: "AB"[at % 2] for at, case in enumerate(scores)}}, {"c0": "p", "c1": "p"}, "who")
    evaluation = summarise(scores, ["liver", "rare"], NAMES, failed={}, resamples=300, seed=4, grouping=grouping)
    _, path = write_evaluation(evaluation, tmp_path, {"split": "held_out", "weights": ["w"]})
    tree = json.loads(path.read_text(encoding="utf-8"))
    assert tree["groups"]["site"]["A"]["cases"] == 3
    assert tree["groups"]["site"]["A"]["mean"]["dice"]["mean"] == pytest.approx((0 + 0.2 + 0.4) / 3)
    assert tree["groups"]["site"]["B"]["labels"]["liver"]["dice"]["n"] == 3
    assert tree["columns"]["c1"] == {"site": "B"}
    assert tree["clusters"] == {"column": "who", "n": 5, "cases": {"c0": "p", "c1": "p"}}
    assert "the cases of one who are drawn together" in tree["rules"]["ci95"]
    assert tree["source"] == {"split": "held_out", "weights": ["w"]}
    ((title, (columns, rows)),) = group_tables(evaluation)
    assert title == "by site, mean over labels"
    assert columns[:2] == ["site", "dice"]
    assert [row[:2] for row in rows] == [["A", "0.200"], ["B", "0.300"]]


@pytest.mark.parametrize("labels", [1, 2, 100])
def test_the_console_table_fits_a_terminal_whatever_is_computed(labels, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    metrics = [metric.name for metric in chosen(Settings(compute=("all",)))]
    names = [f"organ {number}" for number in range(labels)]
    scores = {f"c{at}": {name: dict.fromkeys(metrics, at / 4) for name in names} for at in range(4)}
    evaluation = summarise(scores, names, metrics, failed={}, resamples=300, seed=4)
    columns, rows = evaluation_table(evaluation)
    assert columns == ["label", "dice", "95% interval", "nsd at 1 mm", "hd95 [mm]", "assd [mm]", "n"]
    assert [row[0] for row in rows] == [*names, *(["mean"] if labels > 1 else [])]
    assert set(metrics_beside(evaluation, (columns, rows))) == {*metrics} - {"dice", "nsd", "hd95", "assd"}
    out = StringIO()
    out.isatty = lambda: True
    with redirect_stdout(out):
        table("4 cases", columns, rows)
    assert "│ organ 0" in out.getvalue()  # a row of a table; too wide for the terminal, it would be a list
