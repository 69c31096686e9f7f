"""Cross-validation as users type it: folds, their pooled result, the model they make, and the best configuration."""

import csv
import html
import json
import shutil

import pytest

from segkit import cli
from segkit.foundation.files import read_yaml


@pytest.fixture(scope="module")
def words(ball_options):
    """Two folds of networks in three and in two dimensions."""
    return (
        *(word for word in ball_options if not word.startswith("plan.patch")), "data.split.folds=2",
        "training.fold=each", "training.steps=2", "training.workers=0", "augmentation=none", "inference.mirror=none",
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(uninterrupted_line, words):
    """The study, and what its training said."""
    done = uninterrupted_line("train", "-m", *words, "plan=full_3d,slices_2d", "launcher.parallel=2", "output=cv")
    return uninterrupted_line.folder / "cv", done.stdout


def test_folds_become_one_result_and_one_model(uninterrupted_line, trained, words, capsys):
    study, said = trained
    for plan in ("full_3d", "slices_2d"):
        pooled = json.loads((study / "folds" / f"plan={plan}" / "evaluation" / "summary.json").read_text())
        assert pooled["mean"]["dice"]["n"] == 6  # of eight cases two are held out
    assert f"segkit predict run={study} uses the 2 folds of plan=" in said
    uninterrupted_line("evaluate", f"run={study}")
    assert json.loads((study / "evaluation" / "summary.json").read_text())["cases"] == 2
    manifest = json.loads((study / "predictions" / "held_out" / "predictions.json").read_text())
    assert len(manifest["weights"]) == 2
    assert cli.main(["train", *words, f"output={uninterrupted_line.folder}/run"]) == 2
    assert "training.fold=each is a training for each fold: add -m" in capsys.readouterr().err


@pytest.fixture(scope="module")
def chosen(uninterrupted_line, trained):
    """The folder of the best configuration, and what was said of it."""
    done = uninterrupted_line("compare", f"runs={trained[0]}", "best=best", "device=cpu")
    return uninterrupted_line.folder / "best", done.stdout


def test_configurations_and_their_ensemble_are_weighed_on_cases_that_did_not_train_them(chosen, trained):
    best, said = chosen
    study, _ = trained
    assert "3 runs on the same 6 validation cases" in said
    record = json.loads((best / "best.json").read_text())
    assert {each["name"]: each["networks"] for each in record["candidates"]} == {
        "plan=full_3d": 2, "plan=slices_2d": 2, "plan=full_3d + plan=slices_2d": 4,
    }  # fmt: skip
    for plan in ("full_3d", "slices_2d"):  # the same cases by the same networks as the study pooled
        pooled = json.loads((study / "folds" / f"plan={plan}" / "evaluation" / "summary.json").read_text())
        found = next(each for each in record["candidates"] if each["name"] == f"plan={plan}")
        assert found["mean"] == pytest.approx(pooled["mean"]["dice"]["mean"])
    (pair,) = (best / "candidates").glob("*+*")
    splits = {run.parent.name: json.loads(run.read_text()) for run in study.glob("*/split.json")}
    for folder in (pair / "predictions").iterdir():
        masks = json.loads((folder / "predictions.json").read_text())
        fold = folder.name[-1]
        assert len(masks["weights"]) == 2
        assert sorted(masks["cases"]) == splits[f"plan=full_3d,training.fold={fold}"]["validation"]
        assert not {"ball_6", "ball_7"} & set(masks["cases"])
    with (best / "leaderboard.csv").open() as file:
        assert {row["run"] for row in csv.DictReader(file)} == {each["name"] for each in record["candidates"]}
    assert record["chosen"] in said
    page = (best / "leaderboard.html").read_text()
    assert f"chosen: {record['chosen']}: {record['because']}" in html.unescape(page)


def test_the_best_configuration_is_a_model_that_can_be_moved(chosen, segkit):
    best, _ = chosen
    moved = segkit.folder / "moved"
    shutil.copytree(best, moved)
    record = json.loads((moved / "best.json").read_text())
    taken = next(each for each in record["candidates"] if each["name"] == record["chosen"])
    assert len(record["members"]) == taken["networks"]
    segkit("predict", "run=moved", "split=held_out", "output=masks")
    manifest = json.loads((segkit.folder / "masks" / "predictions.json").read_text())
    own = [read_yaml(moved / run / "model" / "model.yaml") for run in record["members"]]
    assert manifest["weights"] == [each["weights"] for each in own]
    assert set(manifest["cases"]) == {"ball_6", "ball_7"}
    rules = json.loads((moved / "postprocessing.json").read_text())["rules"]
    assert all(each["postprocessing"] == rules for each in own)


@pytest.mark.parametrize(
    ("best", "more", "says"),
    [
        ("never", "split=held_out", "best is chosen by the cases that validate"),
        ("never", "baseline=x", "leave out baseline"),
        ("cv", "split=auto", "holds something else: name a new folder"),
        ("never", "pool=[plan]", "both validate ball_"),
    ],
)
def test_what_best_cannot_do_is_said_before_anything_is_segmented(trained, best, more, says, monkeypatch, capsys):
    monkeypatch.chdir(trained[0].parent)
    assert cli.main(["compare", "runs=cv", f"best={best}", more]) == 2
    assert says in capsys.readouterr().err
    assert not (trained[0].parent / "never").exists()
