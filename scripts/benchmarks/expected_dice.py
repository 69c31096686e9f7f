"""How well the expected Dice ranks the real one, per label, and whether the cases that it flags are the worst.

    python scripts/benchmarks/expected_dice.py RUN REFERENCES OUTPUT [--split held_out] [--passes 0]

RUN is a trained run, or several, A,B, as an ensemble. Predicts the cases of a split with `scores.expected_dice=true`,
with `--passes` by MC dropout, and scores them with `segkit evaluate`. Printed are for each label the rank correlation
with its bootstrap interval over cases and both means; then, of the tenth of the cases whose mean Dice is lowest, how
many are among the 10 and the 20% whose mean expected Dice is lowest, beside what chance would find.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet
from measuring import segkit
from scipy.stats import spearmanr

RESAMPLES = 2000
WORST, FLAGGED = 0.1, (0.1, 0.2)  # shares of the cases
Pairs = dict[str, dict[str, tuple[float, float]]]  # label to case to expected and real Dice


def pairs_of(masks: Path, scores: Path) -> Pairs:
    """Return expected and real Dice of each label and case that has both."""
    rows = pyarrow.parquet.read_table(masks / "predictions.parquet").to_pylist()
    expected = {row["case"]: row for row in rows}
    found: Pairs = {}
    with (scores / "cases.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            guess = expected.get(row["case"], {}).get(f"expected_dice_{row['label']}")
            if row["metric"] == "dice" and row["value"] and guess is not None:
                found.setdefault(row["label"], {})[row["case"]] = guess, float(row["value"])
    return found


def recalls(pairs: Pairs) -> list[float]:
    """Return which part of the worst cases each share of flagged ones holds; a case counts by its mean over labels."""
    cases = sorted({case for of_label in pairs.values() for case in of_label})
    means = {
        case: np.mean([of_label[case] for of_label in pairs.values() if case in of_label], axis=0) for case in cases
    }
    by_expected, by_real = (sorted(cases, key=lambda case, place=place: means[case][place]) for place in (0, 1))
    worst = set(by_real[: math.ceil(WORST * len(cases))])
    return [len(worst & set(by_expected[: math.ceil(share * len(cases))])) / len(worst) for share in FLAGGED]


def interval(pairs: np.ndarray) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of the correlation over cases."""
    draw = np.random.default_rng(0)
    picks = draw.integers(0, pairs.shape[1], (RESAMPLES, pairs.shape[1]))
    values = [spearmanr(*pairs[:, pick]).statistic for pick in picks]
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    """Predict, score, correlate, flag."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run, or several: A,B")
    parser.add_argument("references", type=Path, help="folder of references, named as the cases")
    parser.add_argument("output", type=Path)
    parser.add_argument("--split", default="held_out", help="held_out or validation")
    parser.add_argument("--passes", type=int, default=0, help="of MC dropout")
    args = parser.parse_args()
    masks, scores = args.output / "masks", args.output / "scores"
    asked = ("scores.expected_dice=true", f"scores.passes={args.passes}")
    segkit("predict", f"run=[{args.run}]", f"split={args.split}", f"output={masks}", *asked)
    segkit("evaluate", f"predictions={masks}", f"references={args.references}", f"output={scores}")
    found = pairs_of(masks, scores)
    for label, of_label in found.items():
        pairs = np.array(list(of_label.values())).T
        low, high = interval(pairs)
        print(
            f"{label}: {pairs.shape[1]} cases, Spearman {spearmanr(*pairs).statistic:.2f} ({low:.2f} to {high:.2f}), "
            f"expected {pairs[0].mean():.3f}, real {pairs[1].mean():.3f}"
        )
    for share, recall in zip(FLAGGED, recalls(found), strict=True):
        print(f"{share:.0%} flagged: {recall:.0%} of the worst {WORST:.0%} are among them, {share:.0%} by chance")


if __name__ == "__main__":
    main()
