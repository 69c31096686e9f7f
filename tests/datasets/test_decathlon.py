import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from segkit.config.compose import configure
from segkit.datasets import Case, Decathlon
from segkit.datasets.dataset import open_dataset
from segkit.datasets.decathlon import TASKS
from segkit.datasets.decathlon_download import unpack_task
from segkit.foundation.errors import DataError, SegkitError, UsageError

TASK = "Task04_Hippocampus"
DESCRIPTION = {
    "name": "Hippocampus",
    "modality": {"0": "MRI"},
    "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
    "numTraining": 2,
    "training": [
        {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"},
        {"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"},
    ],
    "test": ["./imagesTs/c.nii.gz"],
}


@pytest.fixture
def described(tmp_path):
    """Return a function that writes a task's description, with changes."""

    def write(**changes: object) -> Path:
        folder = tmp_path / TASK
        folder.mkdir(exist_ok=True)
        (folder / "dataset.json").write_text(json.dumps({**DESCRIPTION, **changes}))
        return folder

    return write


def test_a_task_is_found_as_it_describes_itself(tmp_path, described):
    folder = described()
    layout = Decathlon(str(tmp_path), TASK)
    cases = layout.cases(["MRI"])
    assert [case.name for case in cases] == ["a", "b", "c"]
    assert cases[0] == Case("a", {"MRI": folder / "imagesTr/a.nii.gz"}, folder / "labelsTr/a.nii.gz")
    assert cases[2].reference is None
    assert cases[2].columns == {"part": "test"}
    assert layout.describe().labels == {"background": 0, "Anterior": 1, "Posterior": 2}
    assert layout.describe().channels == {"MRI": "mr"}
    assert Decathlon(str(folder)).cases(["MRI"]) == cases


def test_channels_share_one_file(tmp_path, described):
    described(modality={"0": "T2", "1": "ADC"})
    layout = Decathlon(str(tmp_path), TASK)
    assert layout.describe().channels == {"T2": "mr", "ADC": "mr"}
    images = layout.cases(layout.describe().channels)[0].images
    assert list(images) == ["T2", "ADC"]
    assert images["T2"] == images["ADC"]


def test_the_yaml_opens_it(tmp_path, described):
    described(modality={"0": "CT"})
    options = configure("train", ["data=msd", f"data.root={tmp_path}", f"data.task={TASK}", "training.steps=1"]).data
    dataset = open_dataset(options)
    assert list(dataset.cases) == ["a", "b", "c"]
    assert dataset.channels["CT"].family == "ct"
    assert dataset.labels.foreground == ("Anterior", "Posterior")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"image": "a"}}, "training is not a list of files"),
        ({"training": [3]}, "training is not a list of files"),
        ({"training": [{"image": "a.nii"}]}, "names 'None', which is no path"),
        ({"training": [{"image": "../a.nii", "label": "b.nii"}]}, "leaves the folder of the data set"),
        ({"test": ["/etc/passwd"]}, "leaves the folder of the data set"),
        ({"test": ["imagesTs/a.nii.gz"]}, "has two cases called a"),
        ({"training": [], "test": []}, "lists no case"),
    ],
)
def test_a_description_of_a_wrong_shape_is_refused(tmp_path, described, changes, message):
    described(**changes)
    with pytest.raises(DataError, match=message):
        Decathlon(str(tmp_path), TASK).cases(["MRI"])


def test_a_missing_task_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"did you mean Task04_Hippocampus.*Task01_BrainTumour, .*Task10_Colon"):
        Decathlon(str(tmp_path), "Task04_Hipocampus", download=True).cases(["MRI"])
    with pytest.raises(DataError, match=r"pass data\.download=true, or download the task from"):
        Decathlon(str(tmp_path), TASK).cases(["MRI"])
    (tmp_path / "mine").mkdir()
    with pytest.raises(DataError, match=r"there is no dataset\.json in .*mine"):
        Decathlon(str(tmp_path), "mine").cases(["MRI"])


def archive_of(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def monai_datasets():
    return pytest.importorskip("monai.apps").DecathlonDataset


def test_the_tasks_are_those_that_monai_knows(monai_datasets):
    assert set(TASKS) == set(monai_datasets.resource)


def test_a_task_is_downloaded_once_and_whole(tmp_path, monkeypatch, monai_datasets):
    source, root = tmp_path / "far.tar", tmp_path / "new" / "root"
    members = {f"{TASK}/dataset.json": json.dumps(DESCRIPTION).encode(), f"{TASK}/._dataset.json": b"litter"}
    monkeypatch.setitem(monai_datasets.md5, TASK, archive_of(source, members))
    monkeypatch.setitem(monai_datasets.resource, TASK, source.as_uri())
    assert len(Decathlon(str(root), TASK, download=True).cases(["MRI"])) == 3
    assert [path.name for path in (root / TASK).iterdir()] == ["dataset.json"]
    source.unlink()
    assert len(Decathlon(str(root), TASK, download=True).cases(["MRI"])) == 3


def test_a_download_that_fails_is_one_line(tmp_path, monkeypatch, monai_datasets):
    monkeypatch.setitem(monai_datasets.resource, TASK, (tmp_path / "gone.tar").as_uri())
    with pytest.raises(DataError, match=r"data\.task=Task04_Hippocampus could not be downloaded from file:.*by hand"):
        Decathlon(str(tmp_path / "root"), TASK, download=True).cases(["MRI"])
    assert not (tmp_path / "root" / TASK).exists()


def test_a_download_of_other_bytes_is_refused(tmp_path, monkeypatch, monai_datasets):
    archive_of(tmp_path / "far.tar", {f"{TASK}/dataset.json": b"{}"})
    monkeypatch.setitem(monai_datasets.resource, TASK, (tmp_path / "far.tar").as_uri())
    with pytest.raises(DataError, match="hash check"):
        Decathlon(str(tmp_path / "root"), TASK, download=True).cases(["MRI"])
    assert not (tmp_path / "root" / TASK).exists()


@pytest.mark.parametrize("name", ["../x", f"{TASK}/../x", "/x", "other/x"])
def test_an_archive_cannot_leave_its_folder(tmp_path, name):
    archive_of(tmp_path / "a.tar", {f"{TASK}/dataset.json": b"{}", name: b"x"})
    with pytest.raises(DataError, match=f"which is no part of {TASK}"):
        unpack_task(tmp_path / "a.tar", TASK, tmp_path / TASK)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_broken_archive_and_a_full_folder_are_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"a\.tar cannot be unpacked"):
        unpack_task(tmp_path / "a.tar", TASK, tmp_path / TASK)
    (tmp_path / TASK).mkdir()
    (tmp_path / TASK / "mine").write_text("kept")
    with pytest.raises(SegkitError, match="not an empty folder"):
        unpack_task(tmp_path / "a.tar", TASK, tmp_path / TASK)
