"""Run folders with scores and no network: what `segkit compare` reads."""

import csv
import json
from pathlib import Path

import numpy as np
import yaml

WEIGHTS = "0" * 64


def write_scores(folder: Path, scores, source=None, **summary) -> None:
    """Write cases.csv and summary.json; `scores` is case -> label -> Dice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "cases.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "label", "metric", "value"])
        for case, by_label in scores.items():
            for label, value in by_label.items():
                writer.writerow([case, label, "dice", "" if np.isnan(value) else repr(float(value))])
                writer.writerow([case, label, "hd95", repr(float(5 * (1 - value)))])
    (folder / "summary.json").write_text(json.dumps({"source": source or {}, **summary}))


def write_run(folder: Path, words, scores, *, split="held_out", seconds=1800.0, state="finished", **summary) -> Path:
    """Write a run folder that is done and scored on a split."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("name: x\n")
    (folder / "overrides.yaml").write_text(yaml.safe_dump([*words, f"output={folder}", "plan.measure=false"]))
    (folder / "status.json").write_text(json.dumps({"state": state, "seconds": seconds}))
    parts = {"training": ["t"], "validation": [], "held_out": [], split: sorted(scores)}
    (folder / "split.json").write_text(json.dumps(parts))
    write_record(folder / "model")
    write_scores(folder / "evaluation", scores, {"split": split, "weights": [WEIGHTS]}, **summary)
    return folder


def write_record(folder: Path) -> None:
    """Write a model's record without its weights."""
    from segkit.config.plan import Normalisation, Plan
    from segkit.runs.model_file import ModelRecord, write_record

    plan = Plan(3, "RAS", (1.0, 1.0, 1.0), (16, 16, 16), 1, ((1, 1, 1),), ((3, 3, 3),), {"CT": Normalisation("zscore")})
    write_record(folder, ModelRecord(
        name="x", labels={"background": 0, "liver": 1}, mirrored=[], flips=[], plan=plan, network={"_target_": "x.Y"},
        segkit="0.1.0", weights=WEIGHTS,
    ))  # fmt: skip


def write_study(folder: Path, runs, data=lambda words: "x") -> Path:
    """Write a study's list; `runs` is name -> (words, state), and `data` tells a trial's data set from its words."""
    trials = [{"name": name, "run": str(folder / name), "overrides": list(words), "state": state, "data": data(words)}
              for name, (words, state) in runs.items()]  # fmt: skip
    (folder / "study.json").write_text(json.dumps({"trials": trials}))
    return folder


def scores_of(shift, cases=range(12), spread=0.01, seed=0):
    """Return the Dice of a liver: cases differ much, and methods by `shift` and a little noise."""
    noise = np.random.default_rng(seed).normal(0, spread, 100)
    base = np.random.default_rng(99).uniform(0.7, 0.9, 100)
    return {f"c{case:02d}": {"liver": base[case] + shift + noise[case]} for case in cases}
