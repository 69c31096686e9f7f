"""A study compared, its folds pooled, and its model on another site, as users type it."""

import csv
import json
import shutil

import pytest


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def study(uninterrupted_line, ball_options):
    """Two folds that train three steps each."""
    words = [word for word in ball_options if not word.startswith("data.split.held_out")]
    uninterrupted_line(
        "train", "-m", *words, "training.steps=3", "training.workers=0", "data.split.folds=2", "inference.mirror=none",
        "training.fold=0,1", "output=folds",
    )  # fmt: skip
    return uninterrupted_line.folder / "folds"


def test_folds_are_scored_and_pooled(uninterrupted_line, study):
    done = uninterrupted_line("compare", f"runs={study}", "device=cpu")
    assert "folds" in done.stdout
    (row,) = csv.DictReader((study / "leaderboard.csv").open())
    assert (row["run"], row["n"], row["cases"]) == ("folds", "8", "8")
    # The same from the masks of both folds, pooled.
    uninterrupted_line("evaluate", f"run={study}", "split=validation", "device=cpu", f"output={study}/pooled")
    pooled = summary(study / "pooled")
    assert pooled["cases"] == 8
    assert pooled["mean"]["dice"]["mean"] == pytest.approx(float(row["dice"]))
    assert len(pooled["source"]["weights"]) == 2
    # A second time nothing is scored again.
    again = uninterrupted_line("compare", f"runs={study}", "device=cpu")
    assert "evaluating its" not in again.stdout
    # The first fold alone has its own cases.
    (run, *_) = sorted(path.parent for path in study.glob("*/config.yaml"))
    assert summary(run / "evaluation")["source"]["split"] == "validation"
    assert summary(run / "evaluation")["cases"] == 4


def test_a_model_on_another_site_where_some_cases_have_no_reference(uninterrupted_line, study, balls):
    site = uninterrupted_line.folder / "site"
    for folder in ("images", "labels"):
        (site / folder).mkdir(parents=True)
        for at in range(4):
            shutil.copy(balls / folder / f"ball_{at}.nii.gz", site / folder / f"scan{at}.nii.gz")
    (site / "labels" / "scan3.nii.gz").unlink()
    (site / "images" / "torn.nii.gz").write_bytes(b"no scan")
    (site / "patients.csv").write_text("case,patient,sex\nscan0,p,f\nscan1,p,m\nscan2,q,m\n")
    (run, *_) = sorted(path.parent for path in study.glob("*/config.yaml"))
    words = ("evaluate", f"run={run}", "data=paired", "data.root=site", "data.name=north", "device=cpu",
             "data.labels={background: 0, bright: 1, dim: 2}", "data.split.group_by=patient",
             "data.columns=site/patients.csv", "groups=[sex]")  # fmt: skip
    done = uninterrupted_line(*words, expect=1)
    assert "torn" in done.stderr
    assert "1 case without a reference, segmented and not scored: scan3" in done.stdout
    assert "3 cases in 2 clusters by patient" in done.stdout
    assert "by sex, mean over labels" in done.stdout
    tree = summary(run / "evaluation" / "north")
    assert (tree["cases"], [failed["case"] for failed in tree["failed"]]) == (3, ["torn"])
    assert tree["groups"]["sex"]["m"]["cases"] == 2
    assert tree["clusters"]["cases"] == {"scan0": "p", "scan1": "p", "scan2": "q"}
    assert (run / "predictions" / "north" / "scan3.nii.gz").is_file()
    # The masks alone, beside the same data set, give the same scores.
    uninterrupted_line(
        "evaluate", f"predictions={run}/predictions/north", "data=paired", "data.root=site", "data.name=north",
        "data.labels={background: 0, bright: 1, dim: 2}", "output=again", expect=1,
    )  # fmt: skip
    again = summary(uninterrupted_line.folder / "again")
    assert again["mean"]["dice"]["mean"] == tree["mean"]["dice"]["mean"]
    mistaken = uninterrupted_line(*words[:-1], "groups=[six]", expect=2)
    assert "groups: no case has a column six; did you mean sex" in mistaken.stderr
