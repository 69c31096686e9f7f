import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.foundation.durations import format_duration, parse_duration
from segkit.foundation.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10min", 600),
        ("10m", 600),
        ("2h", 7200),
        ("1h30min", 5400),
        ("1h 30min", 5400),
        ("1.5h", 5400),
        (" 1 D ", 86400),
        ("1d2h3min4.5s", 93784.5),
        ("12.3 s", 12.3),
        ("45", 45),
        (".5s", 0.5),
        (45, 45),
        (0, 0),
        (1.5, 1.5),
    ],
)
def test_durations_that_people_write(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["soon", "", " ", "5 parsecs", "30min1h", "-5s", -1, "nan", "inf", True, None, "1h1h", "٣s", "1e999"]
)
def test_what_is_no_duration_is_refused_with_examples(text):
    with pytest.raises(UsageError, match=r"is not a duration: write e\.g\. 90s, 10min, 2h or 1h30min"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0421, "0.042 s"),
        (12.34, "12.3 s"),
        (59.96, "1min"),
        (90, "1min 30s"),
        (3599.9, "1h"),
        (5400, "1h 30min"),
        (86399, "1d"),
        (97200, "1d 3h"),
        (-90, "-1min 30s"),
        (float("inf"), "inf"),
    ],
)
def test_durations_as_people_read_them(seconds, text):
    assert format_duration(seconds) == text


@given(st.floats(0, 1e8))
def test_what_is_written_reads_back_to_the_last_digit_shown(seconds):
    shown = format_duration(seconds)
    smallest_unit = (
        86400 if seconds >= 9e5 and "h" not in shown else 3600 if "d" in shown else 60 if "h" in shown else 1
    )
    if "d" in shown and "h" not in shown:
        smallest_unit = 3600
    assert abs(parse_duration(shown) - seconds) <= smallest_unit / 2 + 1e-6 * seconds
