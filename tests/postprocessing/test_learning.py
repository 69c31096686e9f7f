"""Rules learnt from masks: what helps is found, what does not or might be chance is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from segkit.config.labels import labels_from
from segkit.config.rules import Rule
from segkit.postprocessing.applying import apply_rules
from segkit.postprocessing.learning import (
    COLUMNS,
    Evidence,
    Learnt,
    learn_rules,
    rounded_up,
    rows,
    said_of,
    sign_flip,
    weighed,
)

LABELS = labels_from({"background": 0, "organ": 1, "lesion": 2})
MM3 = 0.5


def case(index, *, specks=0, hole=False, lesions=()):
    """A cube of an organ; the mask has specks far from it, or a hole, and every lesion the reference has."""
    reference = np.zeros((24, 20, 18), np.uint8)
    reference[6 : 14 + index % 3, 6:13, 5:12] = 1
    for lesion in lesions:
        reference[lesion] = 2
    mask = reference.copy()
    for speck in range(specks):
        mask[1 + speck, 17, 2 * (index % 8)] = 1
    if hole:
        mask[8:10, 8:10, 7:9] = 0
    return f"case_{index:02}", mask, reference, MM3


def learnt(cases):
    return learn_rules(cases, LABELS)


def test_specks_in_every_case_are_removed():
    found = learnt(case(index, specks=2) for index in range(8))
    assert set(found.rules) == {"organ"}
    assert found.rules["organ"].removes
    assert not found.rules["organ"].fill_holes
    for _, mask, reference, mm3 in (case(index, specks=2) for index in range(8)):
        assert np.array_equal(apply_rules(mask, found.rules, LABELS, mm3), reference)


def test_holes_in_every_case_are_filled_and_of_two_rules_both_are_found():
    assert learnt(case(index, hole=True) for index in range(7)).rules == {"organ": Rule(fill_holes=True)}
    both = learnt(case(index, hole=True, specks=1) for index in range(7)).rules["organ"]
    assert both.fill_holes
    assert both.removes


def test_of_equal_gains_the_gentlest_rule_is_taken():
    rule = learnt(case(index, specks=2) for index in range(8)).rules["organ"]
    assert rule == Rule(smallest_mm3=1.1)  # specks are two voxels of 0.5 mm3 that touch


def test_what_only_the_largest_component_mends_is_learnt_as_that():
    def twin(index):
        name, mask, reference, mm3 = case(index)
        mask[16 + index % 3 : 22, 14:19, 2 : 8 + index] = 1  # large, and larger than other cases' organs would bear
        mask[:5, :5, :2] = 1
        return name, mask, reference, mm3

    def small(index):  # any threshold that takes the twins takes this organ
        name, _, reference, mm3 = case(index)
        reference[:] = 0
        reference[10:13, 10:12, 10:12] = 1
        return name, reference.copy(), reference, mm3

    assert learnt([*map(twin, range(8)), small(8), small(9)]).rules == {"organ": Rule(keep_largest=True)}


def test_a_rule_that_costs_true_lesions_is_not_learnt():
    lesions = [(2, 2, 2), (4, 17, 10), (20, 3, 15)]
    found = learnt(case(index, lesions=lesions) for index in range(10))
    assert found.rules == {}
    assert all(not each.is_kept and each.gain <= 0 for each in found.evidence)


def test_a_gain_in_few_of_the_cases_may_be_chance():
    found = learnt(case(index, specks=2 * (index < 4)) for index in range(12))
    removal = found.evidence[0]
    assert removal.rule.removes
    assert (removal.gain > 0, removal.is_kept) == (True, False)
    assert removal.p >= 0.05
    assert found.rules == {}


def test_what_is_said_names_the_rules_or_why_masks_stay_as_they_are():
    rules = {"organ": Rule(keep_largest=True)}
    seven = tuple("abcdefg")
    assert said_of(Learnt(rules, (), seven)).endswith("7 cases, which predictions apply: organ: largest component")
    assert "did not reliably raise the Dice of the 7 validation cases" in said_of(Learnt({}, (), seven))
    assert "at least 6 validation cases" in said_of(Learnt({}, (), seven[:5]))


def test_too_few_cases_teach_nothing():
    found = learnt(case(index, specks=2) for index in range(5))
    assert (found.rules, found.evidence, len(found.cases)) == ({}, (), 5)
    assert learnt([]).cases == ()


def test_the_order_of_the_cases_changes_nothing():
    cases = [case(index, specks=index % 3, hole=index % 2 == 0) for index in range(9)]
    assert learnt(cases) == learnt(reversed(cases))


class Given:
    """A tally whose Dice is given for each rule."""

    def __init__(self, **dice):
        self.given = dice

    def dice(self, rule):
        return self.given["largest" if rule.keep_largest else f"from_{rule.smallest_mm3:g}"]


def test_gains_are_those_of_cases_that_had_no_say():
    """Each case has its own best threshold: over all cases something seems gained, on the left-out ones it is lost."""
    candidates = [Rule(), *(Rule(smallest_mm3=float(which)) for which in range(1, 11))]
    tallies = [
        Given(from_0=0.5, **{f"from_{which}": 0.9 if which == own else 0.46 for which in range(1, 11)})
        for own in range(1, 11)
    ]
    found = weighed("organ", tallies, candidates)
    dice = np.array([[each.dice(rule) for rule in candidates] for each in tallies])
    assert dice.mean(0)[1:] == pytest.approx(0.504)  # 0.004 above the baseline ...
    assert found.gain < 0  # ... and below it where it was not chosen
    assert not found.is_kept


def test_evidence_by_hand():
    tallies = [Given(from_0=0.5, largest=0.6 + 0.01 * index) for index in range(6)]
    found = weighed("organ", tallies, [Rule(), Rule(keep_largest=True)])
    assert found == Evidence("organ", Rule(keep_largest=True), pytest.approx(0.125), 2 / 64, 6, 6, is_kept=True)


@given(arrays(float, st.integers(2, 9), elements=st.integers(-8, 8).map(float)))
@settings(deadline=None)
def test_the_exact_p_is_scipys(differences):
    if not differences.any():
        assert sign_flip(differences) == 1.0
        return
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip(differences) == pytest.approx(min(1.0, theirs.pvalue))


def test_the_drawn_p_is_near_that_of_the_t_test_and_repeats():
    differences = np.random.default_rng(2).normal(0.4, 1, 40)
    expected = stats.ttest_1samp(differences, 0).pvalue
    assert sign_flip(differences) == pytest.approx(expected, abs=0.01)
    assert sign_flip(differences) == sign_flip(differences[::-1])
    assert sign_flip(np.ones(40)) == pytest.approx(1 / 20_001)


@given(st.floats(1e-3, 1e9))
def test_thresholds_are_a_little_above(volume):
    assert volume < rounded_up(volume) <= volume * 1.1 * (1 + 1e-6)
    assert float(f"{rounded_up(volume):.2g}") == rounded_up(volume)


def test_rows_are_as_people_read_them():
    shown = Evidence("organ", Rule(smallest_mm3=30.0), 0.0123, 0.0312, 6, 5, is_kept=True)
    silent = Evidence("organ", Rule(), 0.0, 1.0, 6, 0, is_kept=False)
    (row,) = rows(Learnt({}, (shown, silent), ()))
    assert row == ("organ", "no components below 30 mm3", "+0.0123", "0.031", "5 of 6", "yes")
    assert len(row) == len(COLUMNS)
