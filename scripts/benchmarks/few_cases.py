"""From scratch or from another training, with 5, 10 and 20 cases of the hippocampus.

    python scripts/benchmarks/few_cases.py DATA WORK [--length 75s] [--first 240s] [--cases 5 10 20]

DATA is the hippocampus of the Medical Segmentation Decathlon with held_out.txt, whose cases are not touched. Of the
others 40 validate, 20 are those that there are few of, and the rest trains a first network to find the whole
hippocampus, one label. Then anterior and posterior are learnt from some of the 20: from scratch with the same network,
plan, augmentation and length, and by experiment=fine_tune from the first network. A length without a unit is a number
of steps, which a busy machine does not change. Printed: Dice over the 40 cases with its interval, and that of the
paired difference over cases.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import segkit, trained_for

VALIDATION, FEW = 40, 20
RESAMPLES = 5000
NETWORK = ("network=residual_unet", "network.features=[24,48,96,192]")
AUGMENTATION = ("augmentation.mirror=0",)  # front and back look different


def dealt(data: Path) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the cases that validate, of the few, and of the others."""
    held_out = set((data / "held_out.txt").read_text().split())
    names = sorted({path.name.split(".")[0] for path in (data / "images").glob("*.nii.gz")} - held_out)
    shuffled = [names[place] for place in np.random.default_rng(0).permutation(len(names))]
    return shuffled[:VALIDATION], shuffled[VALIDATION : VALIDATION + FEW], shuffled[VALIDATION + FEW :]


def split_of(path: Path, training: Sequence[str], validation: Sequence[str]) -> str:
    """Write a split and return the words that name it."""
    path.write_text(json.dumps({"training": list(training), "validation": list(validation), "held_out": []}))
    return f"data.split.file={path}"


def trained(data: Path, work: Path, name: str, length: str, *words: str) -> Path:
    """Train for so long and return the run; one that is there stays."""
    run = work / name
    if not (run / "model" / "model.yaml").exists():
        segkit(
            "train", "data=hippocampus", f"data.root={data}", "data.split.held_out=null",
            f"paths.cache={work / 'cache'}", trained_for(length), "training.fold=0",
            f"training.validate_every={length}", f"output={run}", *NETWORK, *AUGMENTATION, *words,
        )  # fmt: skip
    return run


def scores_of(data: Path, run: Path) -> dict[str, float]:
    """Predict and score the cases that validate; return the mean Dice over labels of each."""
    masks, scores = run / "predictions" / "validation", run / "evaluation_of_validation"
    segkit("predict", f"run={run}", "split=validation", f"output={masks}", "postprocessing.learnt=false")
    segkit("evaluate", f"predictions={masks}", f"references={data / 'labels'}", f"output={scores}")
    found: dict[str, list[float]] = {}
    with (scores / "cases.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["metric"] == "dice" and line["value"]:
                found.setdefault(line["case"], []).append(float(line["value"]))
    return {case: float(np.mean(values)) for case, values in found.items()}


def interval(values: np.ndarray) -> str:
    """Write a mean with its 95% percentile bootstrap interval over cases."""
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), (2.5, 97.5))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--length", default="75s", help="of each training on few cases")
    parser.add_argument("--first", default="240s", help="of the first training")
    parser.add_argument("--cases", type=int, nargs="+", default=(5, 10, 20))
    options = parser.parse_args()
    data, work = options.data.resolve(), options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    validation, few, others = dealt(data)
    whole = "data.labels={background: 0, hippocampus: [1, 2]}"
    listed = split_of(work / "first.json", others, validation)
    first = trained(data, work, "first", options.first, listed, whole, "plan.patch=[24,40,24]", "augmentation=light")
    print("| cases | from scratch | fine-tuned | difference |\n|---|---|---|---|")
    for count in options.cases:
        common = (split_of(work / f"few_{count}.json", few[:count], validation), f"plan={first / 'plan.yaml'}")
        tuning = ("experiment=fine_tune", f"training.weights={first}")
        runs = (
            trained(data, work, f"scratch_{count}", options.length, *common, "augmentation=strong"),
            trained(data, work, f"tuned_{count}", options.length, *common, *tuning),
        )
        scratch, tuned = (scores_of(data, run) for run in runs)
        both = np.array([[scratch[case], tuned[case]] for case in sorted(scratch)]).T
        print(f"| {count} | {interval(both[0])} | {interval(both[1])} | {interval(both[1] - both[0])} |", flush=True)


if __name__ == "__main__":
    main()
