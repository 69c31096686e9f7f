from pathlib import Path

import pytest

from segkit.datasets import Case
from segkit.datasets.columns import read_rows, with_columns
from segkit.foundation.errors import DataError

CASES = [Case(name, {"MR": Path(name)}, None, {"site": "X"}) for name in "ab"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_adds_columns_by_case(separator, tmp_path):
    table = tmp_path / "columns.csv"
    rows = [["case", "patient", "sex"], ["b", " 17 ", ""], ["z", "3", "f"]]
    table.write_text("\ufeff" + "\n".join(separator.join(row) for row in rows), encoding="utf-8")
    first, second = with_columns(CASES, str(table))
    assert first.columns == {"site": "X"}
    assert second.columns == {"site": "X", "case": "b", "patient": "17", "sex": ""}


def test_a_cell_may_hold_what_breaks_lines(tmp_path):
    table = tmp_path / "columns.csv"
    table.write_text('case,note\r\na,"one\ntwo"\r\nb,three\x0bfour\u2028five\r\n', encoding="utf-8", newline="")
    assert [row["note"] for row in read_rows(table, needs=[])] == ["one\ntwo", "three\x0bfour\u2028five"]


def test_without_a_table_cases_stay_as_they_are():
    assert with_columns(CASES, None) == CASES


def test_tables_that_cannot_be_used_are_named(tmp_path):
    table = tmp_path / "columns.csv"
    table.write_text("name,patient\na,1\n")
    with pytest.raises(DataError, match=r"columns\.csv has no column case; its columns are name, patient"):
        with_columns(CASES, str(table))
    table.write_text("case,patient\nx,1\n")
    with pytest.raises(DataError, match=r"names none of the cases, e\.g\. a"):
        with_columns(CASES, str(table))
    with pytest.raises(DataError, match="cannot read the table"):
        read_rows(tmp_path / "nowhere.csv", needs=[])
    table.write_text("case,patient\na,1\n,\n,\na,2\n")
    with pytest.raises(DataError, match=r"columns\.csv has several rows of the case a: keep one"):
        with_columns(CASES, str(table))
    table.write_text(f"case,patient\na,{'1' * 200_000}\n")
    with pytest.raises(DataError, match="cannot read the table"):
        read_rows(table, needs=[])
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read the table"):
        read_rows(table, needs=[])
