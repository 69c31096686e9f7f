"""A folder typed where the name of a data config belongs."""

import pytest

from segkit.config.compose import configure
from segkit.foundation.errors import UsageError

DICOM = b"\0" * 128 + b"DICM"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["images/a.nii", "labels/a.nii"], "pass data=paired data.root=set"),
        (["images/a.nii"], "pass data=paired data.root=set data.layout.references=LABELS"),
        (["a.nii"], "data.layout.images=DIR and data.layout.references=DIR say where else)"),
        (["dataset.json", "imagesTr/a.nii.gz"], "pass data=msd data.root=set"),
        (["dataset.json", "imagesTr/a_0000.nii.gz"], "pass data=nnunet data.root=set"),
        (["dataset.json"], "pass data=nnunet data.root=set"),
        (["sub-01/anat/sub-01_T1w.nii.gz"], "pass data=bids data.root=set"),
        (["cases.csv", "a.nii"], "pass data=table data.root=set"),
        (["DOE^JOHN/IM1"], "pass data=dicom_tree data.root=set"),
    ],
)
def test_what_to_type_shows_in_what_the_folder_holds(tmp_path, monkeypatch, files, words):
    for name in files:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DICOM if path.name == "IM1" else b"")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as refused:
        configure("train", ["data=set", "training.steps=1"])
    said = str(refused.value)
    assert said.startswith("data=set: data takes the name of a data config, and this is a folder: ")
    assert said.endswith(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conf (1)/data/mine.yaml", "pass --config-dir '{0}/conf (1)' data=mine"),
        ("mine.yaml", "pass --config-dir DIR data=mine, with the file at DIR/data/mine.yaml"),
        ("list.csv", "pass data=table data.root={0} data.layout.table={0}/list.csv"),
    ],
)
def test_a_file_has_other_words(tmp_path, name, words):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with pytest.raises(UsageError) as refused:
        configure("check", [f"data={path}"])
    assert str(refused.value).endswith(words.format(tmp_path))


def test_scans_to_segment_are_an_input(tmp_path):
    with pytest.raises(UsageError, match=rf", or input={tmp_path} to segment the scans in it$"):
        configure("predict", ["run=x", "output=y", f"data={tmp_path}"])


def test_a_config_wins_over_a_folder_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "paired").mkdir()
    monkeypatch.chdir(tmp_path)
    assert configure("check", ["data=paired", f"data.root={tmp_path}"]).data.name == "paired"
