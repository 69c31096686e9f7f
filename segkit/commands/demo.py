"""`segkit demo`: every step on a synthetic CT cohort, from DICOM series to held-out Dice."""

from __future__ import annotations

import shlex
from math import isnan
from pathlib import Path
from statistics import fmean

from segkit.commands.evaluate import evaluate
from segkit.commands.train import train
from segkit.config.commands import DemoConfig
from segkit.config.compose import configure
from segkit.datasets.phantom import Cohort, make_cohort, threshold_baseline
from segkit.evaluation.evaluate import Evaluation
from segkit.foundation.console import paths_written, say, table

HELD_OUT = 6


def demo(config: DemoConfig) -> Evaluation:
    """Make a cohort, train on it, segment the held-out scans and score them beside intensity alone.

    A second call goes on where the first was stopped, and does nothing twice.

    Returns:
        the evaluation of the held-out cases.
    """
    output = Path(config.output)
    say("1. a cohort of synthetic CT scans, each a DICOM series with a DICOM SEG as its reference")
    cohort = make_cohort(output / "cohort", cases=config.cases, held_out=HELD_OUT, seed=config.seed)
    paths_written([cohort.folder])
    say("2. a U-Net trained on all but the held-out ones")
    dataset = ["data=phantom_ct", f"data.root={cohort.folder}"]
    run = output / "run"
    options = ["experiment=demo", f"training.budget={config.budget}", f"seed={config.seed}", f"device={config.device}"]
    train(configure("train", [*dataset, *options, f"output={run}", f"paths.cache={output / 'cache'}"]))
    say("3. masks of the held-out scans, and their Dice against the references")
    evaluation = evaluate(configure("evaluate", [f"run={run}", f"device={config.device}"]))
    compare_with_intensities(cohort, evaluation)
    say("what one would type next:")
    for line in next_commands(cohort, run, output):
        say(f"  {line}")
    paths_written([output])
    return evaluation


def compare_with_intensities(cohort: Cohort, evaluation: Evaluation) -> None:
    """Print the network's held-out Dice beside that of the best intensity window per label."""
    baseline = threshold_baseline(
        [cohort.pair(case) for case in cohort.training], [cohort.pair(case) for case in cohort.held_out], cohort.labels
    )
    rows = []
    for label, statistics in evaluation.labels.items():
        values = [value for value in baseline[label] if not isnan(value)]
        dice = statistics["dice"]
        low, high = dice.ci95
        rows.append([label, f"{dice.mean:.3f}", f"{low:.3f} to {high:.3f}", f"{fmean(values):.3f}"])
    title = f"Dice of {len(cohort.held_out)} held-out scans, beside the best that a range of intensities alone finds"
    table(title, ["label", "segkit", "95% interval", "intensities alone"], rows)


def next_commands(cohort: Cohort, run: Path, output: Path) -> list[str]:
    """Return commands that go on from here."""
    scan = next(iter(sorted(cohort.twins.iterdir())))
    root, model, masks, image = (shlex.quote(str(path)) for path in (cohort.folder, run, output / "masks", scan))
    return [
        f"segkit report run={model}",
        f"segkit predict run={model} input={image} output={masks}",
        f"segkit train -m data=phantom_ct data.root={root} training.budget=1min seed=1,2,3",
    ]
