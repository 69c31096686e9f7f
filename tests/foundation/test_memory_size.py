import pytest

from segkit.foundation.errors import UsageError
from segkit.foundation.memory_size import memory_bytes, size_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8GB", 8_000_000_000),
        ("11GB", 11_000_000_000),
        ("11.5 gb", 11_500_000_000),
        ("8GiB", 8_589_934_592),
        ("500MB", 500_000_000),
        ("512 MiB", 536_870_912),
        ("cpu", None),
        (" CPU ", None),
    ],
)
def test_amounts_as_people_write_them(text, expected):
    assert memory_bytes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "8", "GB", "-8GB", "0GB", "8TB", "8 G B", "auto", "eight GB", "1e3GB", f"{'9' * 400}GB"]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(UsageError, match=r"plan\.memory: .* is no amount of memory: write e\.g\. 8GB"):
        memory_bytes(text)


def test_sizes_for_people():
    assert [size_text(size) for size in (0, 1.25e6, 9.96e7, 2.5e9)] == ["0.0 MB", "1.2 MB", "100 MB", "2.5 GB"]
