"""Cross-validation as users type it: folds, their pooled result, and the ensemble they make."""

import json


def test_folds_become_one_result_and_one_model(segkit, ball_options):
    words = (*ball_options, "data.split.folds=2", "training.fold=each", "training.steps=2", "inference.mirror=none")
    done = segkit("train", "-m", *words, "launcher.parallel=2", "output=study")
    study = segkit.folder / "study"
    assert f"segkit predict run={study} uses the 2 folds of paired" in done.stdout
    pooled = json.loads((study / "folds" / "paired" / "evaluation" / "summary.json").read_text())
    assert pooled["mean"]["dice"]["n"] == 6  # of eight cases two are held out
    segkit("evaluate", "run=study")
    assert json.loads((study / "evaluation" / "summary.json").read_text())["cases"] == 2
    manifest = json.loads((study / "predictions" / "held_out" / "predictions.json").read_text())
    assert len(manifest["weights"]) == 2
    alone = segkit("train", *words, "output=run", expect=2)
    assert "training.fold=each is a training for each fold: add -m" in alone.stderr
