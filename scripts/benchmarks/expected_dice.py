"""How well the expected Dice ranks the real one: Spearman's correlation over held-out cases, per label.

python scripts/benchmarks/expected_dice.py RUN REFERENCES OUTPUT     RUN: a trained run with held-out cases

Predicts the held-out cases with `scores.expected_dice=true`, scores them with `segkit evaluate`, and prints for each
label the rank correlation with its bootstrap interval over cases, and both means.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
from scipy.stats import spearmanr

RESAMPLES = 2000


def segkit(*words: object) -> None:
    """Run a command of segkit."""
    subprocess.run([sys.executable, "-m", "segkit", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def pairs_of(masks: Path, scores: Path) -> dict[str, np.ndarray]:
    """Return expected and real Dice of each label, shape (2, cases)."""
    rows = pyarrow.parquet.read_table(masks / "predictions.parquet").to_pylist()
    expected = {row["case"]: row for row in rows}
    found: dict[str, list[tuple[float, float]]] = {}
    with (scores / "cases.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            guess = expected.get(row["case"], {}).get(f"expected_dice_{row['label']}")
            if row["metric"] == "dice" and row["value"] and guess is not None:
                found.setdefault(row["label"], []).append((guess, float(row["value"])))
    return {label: np.array(values).T for label, values in found.items()}


def interval(pairs: np.ndarray) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of the correlation over cases."""
    draw = np.random.default_rng(0)
    picks = draw.integers(0, pairs.shape[1], (RESAMPLES, pairs.shape[1]))
    values = [spearmanr(*pairs[:, pick]).statistic for pick in picks]
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


def main() -> None:
    """Predict, score, correlate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("references", type=Path, help="folder of references, named as the cases")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    masks, scores = args.output / "masks", args.output / "scores"
    segkit("predict", f"run={args.run}", "split=held_out", f"output={masks}", "scores.expected_dice=true")
    segkit("evaluate", f"predictions={masks}", f"references={args.references}", f"output={scores}")
    for label, pairs in pairs_of(masks, scores).items():
        low, high = interval(pairs)
        print(
            f"{label}: {pairs.shape[1]} cases, Spearman {spearmanr(*pairs).statistic:.2f} ({low:.2f} to {high:.2f}), "
            f"expected {pairs[0].mean():.3f}, real {pairs[1].mean():.3f}"
        )


if __name__ == "__main__":
    main()
