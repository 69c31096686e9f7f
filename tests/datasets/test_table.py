from pathlib import Path

import pytest

from segkit.config.compose import configure
from segkit.datasets import Case, Table
from segkit.datasets.dataset import open_dataset
from segkit.foundation.errors import DataError


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a table."""

    def write(text: str, name: str = "cases.csv") -> Table:
        (tmp_path / name).write_text(text)
        return Table(str(tmp_path / name))

    return write


def test_a_column_for_each_channel(table, tmp_path):
    text = "case,T1,T2,reference,site\nb,b/t1.nii,/far/t2.nii,b/seg.nii,A\na,a/t1.nii,a/t2.nii,,\n"
    assert table(text).cases(["T1", "T2"]) == [
        Case("a", {"T1": tmp_path / "a/t1.nii", "T2": tmp_path / "a/t2.nii"}, None, {"site": ""}),
        Case("b", {"T1": tmp_path / "b/t1.nii", "T2": Path("/far/t2.nii")}, tmp_path / "b/seg.nii", {"site": "A"}),
    ]


@pytest.mark.parametrize("column", ["reference", "label", "mask"])
def test_names_come_from_images_where_none_are_given(table, tmp_path, column):
    (case,) = table(f"image\t{column}\tsex\nx/a.nii.gz\ty/a.png\tf\n", "cases.tsv").cases(["MR"])
    assert case == Case("a", {"MR": tmp_path / "x/a.nii.gz"}, tmp_path / "y/a.png", {"sex": "f"})


def test_one_image_may_hold_all_channels(table, tmp_path):
    (case,) = table("image,patient\na.nii,7\n").cases(["T1", "T2"])
    assert case == Case("a", dict.fromkeys(("T1", "T2"), tmp_path / "a.nii"), None, {"patient": "7"})


def test_an_empty_cell_is_a_missing_file(table, tmp_path):
    text = "case,T1,T2\na,x/a_t1.nii.gz,\nb,,\n"
    first, second = table(text).cases(["T1", "T2"])
    assert first.images["T2"] == tmp_path / "x" / "a_T2.nii.gz"
    assert second.images["T1"] == tmp_path / "b_T1"


@pytest.mark.parametrize(
    ("text", "channels", "message"),
    [
        ("case,T1,t2\na,x,y\n", ["T1", "T2"], r"has no column T2; did you mean t2\? its columns are case, T1, t2"),
        ("case,scan\na,x.nii\n", ["MR"], "has no column MR; its columns are case, scan"),
        ("case,MR\n", ["MR"], "holds no rows"),
        ("", ["MR"], "holds no rows"),
        ("MR,site\n,A\n", ["MR"], "row 1 names neither a case nor an image"),
        ("MR\nx/a.nii\ny/a.nii\n", ["MR"], "has two cases called a"),
        ("case,MR\n../a,x.nii\n", ["MR"], "cannot be the name of a file"),
    ],
)
def test_what_cannot_be_used_is_named(table, text, channels, message):
    with pytest.raises(DataError, match=rf"cases\.csv.*{message}"):
        table(text).cases(channels)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the table .*gone\.csv"):
        Table(str(tmp_path / "gone.csv")).cases(["MR"])


def test_the_yaml_opens_it(table, tmp_path):
    table("case,image,reference,patient\na,a.nii,a_seg.nii,7\n")
    options = configure("train", ["data=table", f"data.root={tmp_path}", "training.steps=1"]).data
    assert open_dataset(options).cases["a"].columns == {"patient": "7"}
