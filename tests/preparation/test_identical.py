import pytest

from segkit.datasets import Case
from segkit.preparation.identical import together_by_content


@pytest.fixture
def case(tmp_path):
    """Return a function that makes a case of files: `one` and `copy` hold the same bytes."""
    for name, content in {"one": b"1", "copy": b"1", "two": b"2", "long": b"three"}.items():
        (tmp_path / name).write_bytes(content)
    return lambda name, *files: Case(name, {str(place): tmp_path / file for place, file in enumerate(files)})


def test_cases_of_the_same_bytes_belong_together(case):
    assert together_by_content([case("a", "one"), case("b", "two"), case("c", "copy"), case("d", "long")]) == [
        {"a", "c"}
    ]
    turned = [case("x", "one", "two"), case("y", "two", "one"), case("z", "copy", "two")]
    assert together_by_content(turned) == [{"x", "z"}]


def test_many_bytes_are_compared_with_a_bar(case, capsys, monkeypatch):
    cases = [case("a", "one"), case("b", "two"), case("c", "copy"), case("d", "long")]
    together_by_content(cases)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("segkit.preparation.identical.FEW_BYTES", 2)  # three of one byte are more
    assert together_by_content(cases) == [{"a", "c"}]
    assert "comparing images of one size: 3/3" in capsys.readouterr().out


def test_a_case_that_lacks_a_file_is_like_no_other(case):
    absent = [case("a", "one", "absent"), case("b", "one", "absent")]
    assert together_by_content([*absent, case("c", "one"), case("d", "copy")]) == [{"c", "d"}]
