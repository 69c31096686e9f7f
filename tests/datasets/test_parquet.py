import sys
import types

import pytest

from segkit.datasets import Table
from segkit.datasets.parquet import read_parquet
from segkit.foundation.errors import DataError, MissingExtraError


def test_cells_become_text(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = {"image": ["a.nii", "b.nii"], "age": [7, None], "reference": ["a_seg.nii", None]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "cases.parquet")
    first, second = Table(str(tmp_path / "cases.parquet")).cases(["image"])
    assert (first.reference, first.columns) == (tmp_path / "a_seg.nii", {"age": "7"})
    assert (second.reference, second.columns) == (None, {"age": ""})
    (tmp_path / "cases.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot read the table"):
        read_parquet(tmp_path / "cases.parquet")


def test_polars_serves_where_pyarrow_is_missing(tmp_path, monkeypatch):
    frame = types.SimpleNamespace(to_dicts=lambda: [{"case": "a", "age": 3.5, "site": None}])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", types.SimpleNamespace(read_parquet=lambda path: frame))
    assert read_parquet(tmp_path / "x.parquet") == [{"case": "a", "age": "3.5", "site": ""}]


def test_without_either_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"x\.parquet needs pyarrow.*pip install 'segkit\[parquet\]'"):
        read_parquet(tmp_path / "x.parquet")
