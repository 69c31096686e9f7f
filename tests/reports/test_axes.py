import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.reports.axes import scale_of, shown, spans_decades

finite = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@given(st.lists(finite, min_size=1, max_size=20), st.booleans())
def test_a_scale_holds_what_it_shows_and_its_ticks_lie_on_it(values, is_log):
    scale = scale_of(values, 50, 400, is_log=is_log)
    kept = [value for value in values if value > 0 or not is_log]
    assert all(50 - 1e-6 <= scale(value) <= 400 + 1e-6 for value in kept)
    assert all(50 - 1e-3 <= scale(tick) <= 400 + 1e-3 for tick in scale.ticks)
    assert len(scale.ticks) <= 12


def test_ticks_are_round_numbers():
    assert scale_of([0.2, 0.9], 0, 100, also=(0, 1)).ticks == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert scale_of([3, 4000], 0, 1, is_log=True).ticks == pytest.approx([10, 100, 1000])
    assert scale_of([5, 5], 0, 1).ticks == pytest.approx([4.8, 5, 5.2])


def test_an_axis_ends_at_the_ends_it_is_told():
    scale = scale_of([0.2, 0.9], 10, 110, also=(0, 1))
    assert (scale(0), scale(1), scale(0.5)) == (10, 110, 60)
    assert scale_of([1, 100], 0, 100, is_log=True)(10) == pytest.approx(50)


def test_nothing_to_show_is_a_scale_too():
    assert scale_of([math.nan], 0, 1)(0.5) == pytest.approx(0.5)
    assert not spans_decades([])
    assert spans_decades([1, 40])
    assert not spans_decades([0, 40])


NUMBERS = {0.6000000000000001: "0.6", 1000: "1000", 2e6: "2e6", -0.5: "-0.5", 0: "0", 1e-5: "1e-5"}


@pytest.mark.parametrize(("value", "text"), NUMBERS.items())
def test_numbers_on_axes_are_short(value, text):
    assert shown(value) == text


def test_values_that_are_all_where_the_scale_begins_have_room_above():
    scale = scale_of([0.0, 0.0], 0, 100, also=(0.0,))
    assert scale.low == 0 < scale.high
    assert 0.0 in scale.ticks
