import sys
import types
from importlib.machinery import ModuleSpec

import pytest

from segkit.datasets import Table
from segkit.datasets.parquet import check_parquet, read_parquet, write_parquet
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


def test_what_is_written_keeps_its_types_and_is_whole(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {"case": ["a", "b"], "voxels": [3, None], "mean": [None, 1.5], "mixed": [0, 0.5], "nothing": [None, None]}
    write_parquet(tmp_path / "out.parquet", columns)
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.to_pydict() == columns
    types = {name: str(found.schema.field(name).type) for name in columns}
    assert types == {"case": "string", "voxels": "int64", "mean": "double", "mixed": "double", "nothing": "double"}
    with pytest.raises(Exception, match="Expected bytes"):
        write_parquet(tmp_path / "out.parquet", {"case": ["a", 1]})
    assert parquet.read_table(tmp_path / "out.parquet").to_pydict() == columns
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_polars_writes_where_pyarrow_is_missing(tmp_path, monkeypatch):
    handed = []

    def frame(columns, schema_overrides):
        handed.append((columns, schema_overrides))
        return types.SimpleNamespace(write_parquet=lambda path: path.write_bytes(b"whole"))

    polars = types.ModuleType("polars")
    polars.__spec__, polars.DataFrame, polars.Float64 = ModuleSpec("polars", None), frame, "float"
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", polars)
    write_parquet(tmp_path / "out.parquet", {"voxels": [1, None], "mean": [0, 0.5]})
    assert handed == [({"voxels": [1, None], "mean": [0, 0.5]}, {"mean": "float"})]
    assert (tmp_path / "out.parquet").read_bytes() == b"whole"


def test_writing_without_either_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"writing x needs pyarrow.*pip install 'segkit\[parquet\]'"):
        check_parquet("writing x")
