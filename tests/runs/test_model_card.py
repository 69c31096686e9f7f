from dataclasses import replace

import pytest

from segkit.config.plan import Normalisation, Plan
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json, write_yaml
from segkit.runs.folder import RunFolder
from segkit.runs.model_card import Origin, Statement, model_card, origin_of
from segkit.runs.model_file import ModelRecord

PLAN = Plan(
    3, "RAS", (0.8, 0.8, None), (8, 8, 8), 2, ((1, 1, 1),), ((3, 3, 3),),
    {"CT": Normalisation("clip_zscore", -100.0, 300.0, 90.0, 40.0), "PET": Normalisation("zscore")}, onto={"PET": "CT"},
)  # fmt: skip
RECORD = ModelRecord(
    "liver", {"background": 0, "liver": 5}, [], [0], PLAN, {"_target_": "segkit.networks.UNet"}, "0.1.0",
    training={"steps": 70, "seconds": 9.5, "cases": 3}, weights="ab" * 32,
)  # fmt: skip
SUMMARY = {
    "labels": {"liver": {"dice": {"mean": 0.91234, "ci95": [0.9, 0.92], "n": 2}}},
    "mean": {"dice": {"mean": 0.91234, "ci95": None, "n": 2}},
    "cases": 2,
}


@pytest.fixture
def run(tmp_path) -> RunFolder:
    folder = RunFolder(tmp_path)
    write_yaml(folder.config, {"data": {"name": "livers of two sites"}})
    write_json(folder.split, {"training": ["a", "b", "c"], "validation": ["d"], "held_out": ["e", "f"]})
    write_json(folder.evaluation / "summary.json", SUMMARY)
    (folder.evaluation / "cases.csv").write_text("case,label,metric,value\ne,liver,dice,0.9\nf,liver,dice,0.92\n")
    return folder


def test_the_card_says_what_record_and_run_know(run):
    card = model_card([RECORD], [origin_of(run)], Statement("Ana", "CC-BY-4.0", "CT of adults"))
    for line in (
        "# liver",
        "CT of adults",
        "| background | 0 |",
        "| liver | 5 |",
        "| CT | clip_zscore, clipped to -100 to 300 |",
        "| PET | zscore, on the grid of CT |",
        "| data set | livers of two sites |",
        "| cases that trained | 3 |",
        "| cases that validated | 1 |",
        "| cases held out | 2 |",
        f"| sha256 of the weights | {'ab' * 32} |",
        "On 2 held-out cases, which never trained; the interval is the bootstrap's, of the mean.",
        "| liver | 0.912 | 0.900 to 0.920 | 2 |",
        "| mean | 0.912 | - to - | 2 |",
        "CC-BY-4.0",
        "Ana",
    ):
        assert line in card.splitlines(), line
    assert "0.8 x 0.8 x own mm (orientation RAS)" in card


@pytest.mark.parametrize(
    ("cases", "words"),
    [("d", "validation cases"), ("a", "training cases"), ("zzz", "cases of which the split knows nothing")],
)
def test_what_was_scored_is_said(run, cases, words):
    (run.evaluation / "cases.csv").write_text(f"case,label,metric,value\n{cases},liver,dice,0.9\n")
    assert origin_of(run).scored.startswith(words)


def test_what_nobody_knows_is_said_to_be_unknown(tmp_path):
    card = model_card([replace(RECORD, training={})], [origin_of(RunFolder(tmp_path))], Statement())
    assert card.count("not stated") == 7  # use, licence, authors, data set, cases, steps, seconds
    assert "Not evaluated when it was packed." in card


def test_weights_from_elsewhere_are_named_without_their_folder(run):
    write_json(run.starting_weights, {"from": "/home/ana/secret/first.segkit", "sha256": None})
    card = model_card([RECORD], [origin_of(run)], Statement())
    assert "| started from the weights in | first.segkit |" in card
    assert "secret" not in card


def test_regions_write_their_own_values():
    record = replace(RECORD, labels={"background": 0, "whole": [1, 2], "core": [2]}, region_order=[1, 2])
    card = model_card([record], [Origin()], Statement())
    assert "| whole | 1 |\n| core | 2 |\n" in card
    assert "a later one is written over an earlier one" in card


def test_an_ensemble_tells_of_each(run):
    card = model_card([RECORD, RECORD], [origin_of(run), Origin()], Statement())
    assert "An ensemble of 2 networks" in card
    assert "## Dice of network 1" in card
    assert "## Dice of network 2\n\nNot evaluated" in card


def test_names_are_text_and_no_markup():
    record = replace(RECORD, name="a\n# b", labels={"background": 0, "x | <img src=y>": 1})
    card = model_card([record], [Origin()], Statement())
    assert card.startswith("# a \\# b\n")
    assert "| x \\| \\<img src=y\\> | 1 |" in card


@pytest.mark.parametrize("table", [b"", b"name\nx\n", b"case\n\xff\n"])
def test_a_table_of_scores_that_is_none_is_named(run, table):
    (run.evaluation / "cases.csv").write_bytes(table)
    if not table:
        assert origin_of(run).scored.startswith("cases of which")
        return
    with pytest.raises(DataError, match=r"cases\.csv is not a table"):
        origin_of(run)
