"""An export and a tree of DICOM objects, and runs on both, which all tests here share."""

import pytest
from pydicom.fileset import FileSet

from tests.end_to_end.dicom.exports import report, whole_export, zipped
from tests.end_to_end.dicom.trees import FEW, PATIENTS, TREE, write_patient
from tests.end_to_end.warm import WarmLine
from tests.volumes.dicom.drawn import LESION, LIVER, changed, save, write_seg, write_structures


@pytest.fixture
def segkit(tmp_path):
    """The command line in an empty folder."""
    (tmp_path / "here").mkdir()
    return WarmLine(tmp_path / "here")


@pytest.fixture(scope="session")
def run(tmp_path_factory, ball_options):
    """A run of two steps, on MR-like images of one channel."""
    line = WarmLine(tmp_path_factory.mktemp("trained"))
    line("train", *ball_options, "training.steps=2", "output=run")
    return line.folder / "run"


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    """An export with its DICOMDIR; beside what that names lie copies, a SEG, a structure set and litter."""
    root = tmp_path_factory.mktemp("pacs") / "EXPORT 2026"
    made = whole_export()
    files = FileSet()
    for objects in made.values():
        for each in objects:
            each.file_meta.MediaStorageSOPClassUID = each.SOPClassUID
            each.file_meta.MediaStorageSOPInstanceUID = each.SOPInstanceUID
            files.add(each)
    files.write(root)
    save(root / "again", made["thorax"][:2], "COPY{}")
    write_seg(root / "9A" / "00F1", made["thorax"], {"liver": LIVER, "lesion": LESION})
    write_structures(root / "9A" / "00F2", made["thorax"], {"Leber": ((1, 8), (2, 8), (1, 5))})
    (root / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    (root / "viewer").mkdir()
    (root / "viewer" / "AUTORUN.INF").write_text("[autorun]\n")
    (root / ".DS_Store").write_bytes(b"\0" * 300)
    return root


@pytest.fixture(params=["folder", "zip", "DICOMDIR"])
def way(request, export, tmp_path):
    """The same export in each way that it may come."""
    if request.param == "zip":
        return zipped(export, tmp_path / "export.zip")
    return export if request.param == "folder" else export / "DICOMDIR"


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Six patients with a SEG, two with a structure set; two of them were scanned twice."""
    root = tmp_path_factory.mktemp("tree") / "export"
    for number in range(PATIENTS):
        write_patient(root, number, kind="RTSTRUCT" if number > 5 else "SEG")
    save(root / "DIR900" / "00A1", [changed(report(), PatientID="P1")])
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory, tree):
    """A run of two steps on the tree."""
    line = WarmLine(tmp_path_factory.mktemp("trained"))
    line("train", *TREE, f"data.root={tree}", *FEW, "output=run")
    return line.folder / "run"
