"""What others say is told in one line."""

import errno

import pytest

from segkit.foundation.errors import LONGEST, one_line, reason_of_system, said_by_library, said_by_system


def test_one_line_keeps_blanks_inside_a_line():
    assert one_line("a  path\n\n   and more\n") == "a  path and more"


def test_what_a_library_says_is_short_and_never_nothing():
    assert said_by_library(ValueError("a\nb")) == "a b"
    assert said_by_library(KeyError()) == "KeyError"
    assert len(said_by_library(ValueError("a" * 9999))) == LONGEST


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.nii"), "a.nii: no space left on device"),
        (OSError(errno.ENOSPC, "No space left on device", b"a\xff"), "a\udcff: no space left on device"),
        (OSError("Not a gzipped file\n(b'ab')"), "Not a gzipped file (b'ab')"),
        (OSError(), "OSError"),
    ],
)
def test_what_the_system_says_comes_after_its_file(error, said):
    assert said_by_system(error) == said
    assert reason_of_system(error) == said.rpartition(": ")[2]
