"""A comparison in plain words."""

from __future__ import annotations

from segkit.evaluation.comparison.comparison import Comparison, Difference, Question
from segkit.evaluation.comparison.power import ALPHA
from segkit.evaluation.summary import MEAN

LONG_NAMES = {"dice": "Dice", "iou": "IoU"}


def sentence_of(name: str, found: Difference, comparison: Comparison) -> str:
    """Return what the data say of one method beside the one that it is compared with.

    Args:
        name: of the method.
        found: its difference.
        comparison: of which it is one.
    """
    is_better = found.mean * comparison.sign > 0
    better, worse = (name, found.against) if is_better else (found.against, name)
    low, high = sorted(abs(end) if (end > 0) == (found.mean > 0) else -abs(end) for end in found.ci95)
    size = f"{digits(abs(found.mean))} {unit_of(comparison)} [{digits(low)}, {digits(high)}]"
    if found.infinite:  # such a case counts in the ranking and in p; no mean can hold it
        size += f" (without {found.infinite} case{'s' * (found.infinite > 1)} where a score is infinite)"
    if found.mean == 0:
        return f"{name} and {found.against} score the same in {comparison.metric} over {found.n} cases"
    if found.wilcoxon >= ALPHA:
        return f"{better} is ahead of {worse} by {size}, which {_cases(found)} do not tell from luck{_needs(found)}"
    if low <= 0 or found.rank_biserial * found.mean * comparison.sign < 0:
        return f"{better} is ahead of {worse} by {size}; mean and ranks (p {p_text(found.wilcoxon)}) disagree"
    if comparison.comparisons == 1:
        return f"{better} is better than {worse} by {size} (p {p_text(found.wilcoxon)})"
    is_firm = found.wilcoxon_holm < ALPHA
    verb, holds = ("better than", "holds") if is_firm else ("ahead of", "does not hold")
    p = f"p {p_text(found.wilcoxon)}, corrected {p_text(found.wilcoxon_holm)}"
    return (
        f"{better} is {verb} {worse} by {size}; {holds} after correction for {comparison.comparisons} comparisons ({p})"
    )


def unit_of(comparison: Comparison) -> str:
    """Return metric and unit as a sentence has them: `Dice`, `mm hd95`."""
    name = LONG_NAMES.get(comparison.metric, comparison.metric)
    of = "" if comparison.label == MEAN else f" of {comparison.label}"
    return f"{comparison.unit} {name}{of}".strip()


def p_text(p: float) -> str:
    """Return a p-value with the digits that mean something."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def digits(value: float) -> str:
    """Return a score with three decimals, more where it would be shown as zero."""
    return f"{value:.3f}" if abs(value) >= 0.001 or value == 0 else f"{value:.2g}"


def _cases(found: Difference) -> str:
    return f"{found.n} cases" if found.units == found.n else f"{found.n} cases of {found.units} patients"


def _needs(found: Difference) -> str:
    if found.cases_needed is None or found.cases_needed <= found.units:
        return ""
    unit = "cases" if found.units == found.n else "patients"
    return f" (a difference of this size needs about {found.cases_needed:,} {unit})"


def verdict_of(comparison: Comparison) -> str:
    """Return what one may say of the winner: beside the baseline, or beside the runner-up."""
    winner, *others = comparison.standings
    if not others:
        return f"{winner.name} scores {digits(winner.score.mean)} {unit_of(comparison)} over {winner.score.n} cases"
    of = winner if winner.difference else others[0]
    told = of.difference.sentence if of.difference else ""
    untold = [one.name for one in others if one.difference and one is not of and one.difference.wilcoxon_holm >= ALPHA]
    if winner.difference or not untold:
        return told
    return f"{told}; {len(untold)} of the other {len(others) - 1} are not told from {winner.name} either"


def rules_of(question: Question) -> dict[str, str]:
    """Return how a comparison's figures are made, a line for each."""
    of = "best, which was found by looking: p is corrected for all pairs"
    if question.baseline:
        of = f"baseline {question.baseline}, which was named beforehand: p is corrected for those pairs"
    direction = {True: "higher is better", False: "lower is better", None: "zero is best: sizes are compared"}
    return {
        "cases": "those that every run has a score for; the others are listed under left_out",
        "rank": f"by the mean over these cases, {direction[question.higher_is_better]}; a run with fewer infinite "
        "scores comes first",
        "difference": f"score minus that of the {of}",
        "ci95": f"95% bootstrap interval (BCa) of the mean, {question.resamples} resamples, seed {question.seed}, "
        "patients drawn whole",
        "wilcoxon": "two-sided signed-rank test of the patients' mean differences, zeros dropped, exact up to 100",
        "permutation": f"two-sided test of their mean by flipped signs, {question.resamples} draws",
        "holm": "Holm's correction for all comparisons",
        "effect_size": "mean / standard deviation of the differences; above 0 where this one is better",
        "rank_ci95": "ranks of 95% of the bootstrap resamples",
        "cases_needed": "patients with which a paired test shows a difference of this size with 80% power at 5%",
        "effects": "of each choice, where all others are the same; intervals over cases say nothing of other seeds",
        "runs": "a test of trained models on these cases; of methods it tells as much as seeds and folds are averaged",
    }
