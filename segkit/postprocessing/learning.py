"""Which rules a label gains from: chosen within cross-validation over cases, kept where a paired test holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.config.rules import Rule, in_words, rule_in_words
from segkit.foundation.counted import generator
from segkit.postprocessing.tallies import Tallies, Tally, tally

FEWEST_CASES = 6  # the least for which the test can fall below LEVEL: 2 of 2^6 signs are 0.031
PARTS = 5  # of the cross-validation
LEVEL = 0.05
EXACT = 12  # cases up to which all 2^n signs are tried
DRAWS = 20_000  # of signs beyond
OF_ALL, OF_OTHERS = (0.1, 0.25, 0.5, 0.75, 0.9), (0.5, 0.75, 0.9, 1.0)  # quantiles of volumes that are tried
COLUMNS = ("label", "rule", "Dice gained", "p", "cases changed", "kept")  # of evidence, as people read it
TEST = "sign-flip permutation test of the mean gain, two-sided"


@dataclass(frozen=True)
class Evidence:
    """What the cases say of one rule of one label.

    Attributes:
        label: its name.
        rule: the rule that is best over all cases.
        gain: mean Dice gained on cases that did not choose the rule.
        p: that the gain is chance.
        cases: how many there are.
        changed: in how many of them the Dice changes.
        is_kept: whether the gain is above zero and p below `LEVEL`.
    """

    label: str
    rule: Rule
    gain: float
    p: float
    cases: int
    changed: int
    is_kept: bool


@dataclass(frozen=True)
class Learnt:
    """Rules, and what speaks for and against them.

    Attributes:
        rules: by label, only those that were kept.
        evidence: of each rule that was weighed.
        cases: names of the cases that decided, sorted.
    """

    rules: dict[str, Rule]
    evidence: tuple[Evidence, ...]
    cases: tuple[str, ...]


def learn_rules(masks: Iterable[tuple[str, NDArray[np.integer], NDArray[np.integer], float]], labels: Labels) -> Learnt:
    """Learn rules from masks and their references, one after the other; only numbers are kept of each.

    Args:
        masks: name of the case, predicted values (X, Y[, Z]), the expert's values of the same shape, and the volume of
            a voxel in mm3. Tallies of several folds may be pooled, each predicted by the network that did not see it.
        labels: what the values mean.
    """
    cases = {name: tally(mask, reference, labels, voxel_mm3) for name, mask, reference, voxel_mm3 in masks}
    return rules_from_tallies(cases, labels)


def rules_from_tallies(cases: Tallies, labels: Labels) -> Learnt:
    """Learn rules from the tallies of cases; none where there are fewer than `FEWEST_CASES`.

    For each label two questions are asked one after the other: which components go (none, those below some volume, all
    but the largest), and, given the answer, whether holes are filled. Each rule is weighed by the label's own Dice.
    """
    names = tuple(sorted(cases))
    if len(names) < FEWEST_CASES:
        return Learnt({}, (), names)
    rules: dict[str, Rule] = {}
    evidence: list[Evidence] = []
    for label in labels.foreground:
        tallies = [cases[name][label] for name in names]
        removal = weighed(label, tallies, [Rule(), *removals(tallies)])
        rule = removal.rule if removal.is_kept else Rule()
        filling = weighed(label, tallies, [rule, replace(rule, fill_holes=True)])
        rule = filling.rule if filling.is_kept else rule
        evidence += [removal, filling]
        if rule != Rule():
            rules[label] = rule
    return Learnt(rules, tuple(evidence), names)


def removals(tallies: Sequence[Tally]) -> list[Rule]:
    """Return what may be removed of a label, the gentlest first: below a few volumes, and all but the largest.

    The volumes are quantiles of the predicted components' over all cases, and of those that are not the largest of
    their case, each rounded up to two digits, so that the component which gave it goes too. No reference is looked at.
    """
    volumes = [each.volumes for each in tallies]
    pooled = np.concatenate(volumes)
    others = np.concatenate([of_case[:-1] for of_case in volumes])
    found = [np.quantile(part, at) for part, at in ((pooled, OF_ALL), (others, OF_OTHERS)) if part.size]
    thresholds = sorted({rounded_up(float(volume)) for volumes in found for volume in volumes})
    return [*(Rule(smallest_mm3=volume) for volume in thresholds), Rule(keep_largest=True)]


def rounded_up(volume: float) -> float:
    """Return the next larger number of two digits: 118.2 to 120, 120 to 130."""
    digit = 10.0 ** (math.floor(math.log10(volume)) - 1)
    return float(f"{(math.floor(volume / digit * (1 + 1e-9)) + 1) * digit:.2g}")


def weighed(label: str, tallies: Sequence[Tally], candidates: Sequence[Rule]) -> Evidence:
    """Weigh rules against the first of them.

    For each of the parts of the cases, the rule with the best mean Dice on the other parts is taken, the first of equal
    ones, and its gain over the first rule is noted on the cases of that part, which had no say in it.

    Args:
        label: whose Dice counts.
        tallies: of the label, a case each.
        candidates: rules; the first is what the others must better.
    """
    dice = np.array([[each.dice(rule) for rule in candidates] for each in tallies])
    gains = dice - dice[:, :1]
    left_out, parts = np.zeros(len(gains)), np.arange(len(gains)) % PARTS
    for part in range(PARTS):
        best = int(np.argmax(gains[parts != part].mean(axis=0)))
        left_out[parts == part] = gains[parts == part, best]
    gain, p, best = float(left_out.mean()), sign_flip(left_out), int(np.argmax(gains.mean(axis=0)))
    changed = int(np.count_nonzero(left_out))
    return Evidence(label, candidates[best], gain, p, len(gains), changed, best > 0 and gain > 0 and p < LEVEL)


def sign_flip(differences: NDArray[np.float64]) -> float:
    """Return the two-sided p of a mean difference: the share of sign patterns that give as large a mean, or larger.

    Args:
        differences: one per case; those that are 0 say nothing.

    Returns:
        p, exact for up to `EXACT` differences, else from `DRAWS` drawn patterns, which depend on their number alone;
        1 without any.

    Source: Fisher 1935, "The Design of Experiments", section 21; Phipson and Smyth 2010, Statistical Applications in
    Genetics and Molecular Biology 9, "Permutation p-values should never be zero".
    """
    values = np.sort(differences[differences != 0])
    n = len(values)
    if n <= EXACT:
        signs = (np.arange(2**n)[:, None] >> np.arange(n) & 1) * 2 - 1
    else:
        signs = generator(0, n).integers(0, 2, (DRAWS, n)) * 2 - 1
    reached = np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-9)  # equal sums differ by rounding
    return float(reached.mean()) if n <= EXACT else (1 + int(reached.sum())) / (1 + DRAWS)


def said_of(learnt: Learnt) -> str:
    """Say in a line what was learnt, for people who never heard of it: what it does, or why masks stay as they are."""
    count = len(learnt.cases)
    if learnt.rules:
        return f"postprocessing learnt on {count} cases, which predictions apply: {in_words(learnt.rules)}"
    if count < FEWEST_CASES:
        return (
            f"masks stay as the network makes them: at least {FEWEST_CASES} validation cases could tell whether "
            f"removing small components or filling holes helps; there are {count}"
        )
    return (
        "masks stay as the network makes them: removing small components or filling holes did not reliably raise the "
        f"Dice of the {count} validation cases"
    )


def rows(learnt: Learnt) -> list[tuple[str, str, str, str, str, str]]:
    """Return the evidence as rows of `COLUMNS`, without rules that change no case."""
    return [
        (
            each.label, rule_in_words(each.rule), f"{each.gain:+.4f}", f"{each.p:.3f}",
            f"{each.changed} of {each.cases}", "yes" if each.is_kept else "no",
        )
        for each in learnt.evidence
        if each.changed
    ]  # fmt: skip
