"""Which cases of a folder are flagged."""

from segkit.inference.cohort_table import flags_of


def entries(*means):
    return [{"expected_dice": {"liver": mean, "tumour": None}} for mean in means]


def test_the_share_with_the_lowest_expected_dice_is_flagged():
    ten = entries(0.9, 0.5, *[0.8] * 8)
    assert flags_of(ten, 0.1) == [False, True, *[False] * 8]
    assert sum(flags_of([*ten, *entries(0.1)], 0.1)) == 2
    assert flags_of([*ten, {}], 0.1)[-1] is None


def test_fewer_scans_than_make_one_are_not_flagged():
    assert flags_of(entries(0.1), 0.1) == [None]
    assert flags_of(entries(*[0.5] * 9), 0.1) == [None] * 9
    assert flags_of(entries(0.1, 0.9), 0.5) == [True, False]
