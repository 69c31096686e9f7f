"""Statistics of scores: segkit beside SciPy, on one core, in one run, the same figures from both.

    python scripts/benchmarks/intervals.py [--cases 40] [--columns 48] [--repeats 5]

BCa intervals of the mean of every column (3 labels and their mean by 12 metrics) from 10,000 resamples, and permutation
tests of paired differences from 10,000 choices of signs; then a whole comparison of 12 and of 100 runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import ONE_CORE, measured
from scipy.stats import bootstrap, permutation_test, wilcoxon

from segkit.evaluation.comparison import paired
from segkit.evaluation.comparison.comparing import compare
from segkit.evaluation.comparison.comparison import Method, Question
from segkit.evaluation.intervals import bootstrap_interval

RESAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--columns", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        os.execve(sys.executable, [sys.executable, *sys.argv], ONE_CORE)
    random = np.random.default_rng(1)
    scores = random.beta(8, 2, (options.cases, options.columns))
    apart = random.normal(0.01, 0.03, scores.shape)
    beside("BCa intervals", options.repeats, lambda: bootstrap_interval(scores, RESAMPLES), lambda: scipys_bca(scores))
    beside("flipped signs", options.repeats, lambda: paired.sign_flips(apart, RESAMPLES), lambda: scipys_flips(apart))
    beside(
        "signed ranks", options.repeats, lambda: np.array([paired.wilcoxon(column) for column in apart.T]),
        lambda: wilcoxon(apart, method="exact", axis=0).pvalue,
    )  # fmt: skip
    for runs in (12, 100):
        methods = [method(str(at), scores[:, 0] + random.normal(0, 0.02, len(scores))) for at in range(runs)]
        _, found = measured(lambda methods=methods: compare(methods, Question()), options.repeats)
        print(f"comparison of {runs:3} runs{found['seconds'] * 1e3:9.0f} ms{found['mib']:8.0f} MiB")


def beside(name: str, repeats: int, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    own, fast = measured(ours, repeats)
    other, slow = measured(theirs, max(1, repeats // 2))
    apart = float(np.abs(own - other).max())
    ratio = slow["seconds"] / fast["seconds"]
    times = f"{fast['seconds'] * 1e3:7.1f} ms, SciPy {slow['seconds'] * 1e3:8.1f} ms"
    print(f"{name:16}{times}, ratio {ratio:6.1f}, {fast['mib']:5.0f} and {slow['mib']:5.0f} MiB, apart {apart:.2g}")


def scipys_bca(scores: np.ndarray) -> np.ndarray:
    found = bootstrap((scores,), np.mean, axis=0, vectorized=True, n_resamples=RESAMPLES, method="BCa", rng=1)
    return np.stack(found.confidence_interval)


def scipys_flips(apart: np.ndarray) -> np.ndarray:
    def mean(values: np.ndarray, axis: int) -> np.ndarray:
        return values.mean(axis=axis)

    found = permutation_test(
        (apart,), mean, permutation_type="samples", vectorized=True, n_resamples=RESAMPLES, axis=0, rng=1, batch=500
    )
    return np.asarray(found.pvalue)


def method(name: str, values: np.ndarray) -> Method:
    return Method(name, {f"c{at}": {"a": {"dice": float(value)}} for at, value in enumerate(values)})


if __name__ == "__main__":
    main()
