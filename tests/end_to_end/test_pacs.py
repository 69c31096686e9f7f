"""`segkit predict` from a PACS and to it, through the command line, against a real one."""

import re

import pytest
from pydicom import dcmread

from segkit.volumes.dicom.instances import hashed
from tests.end_to_end.warm import WarmLine
from tests.orthanc import running, troubled
from tests.volumes.dicom.drawn import SHAPE, save, series, uid, values_of

STUDY = uid("P1", "study")
CASES = sorted(hashed(uid("P1", name)) for name in ("thorax", "abdomen"))
SMALL = ("inference.mirror=none", "inference.precision=32", "device=cpu")
KINDS = {"dicom_seg": ".seg.dcm", "rtstruct": ".rtstruct.dcm"}
EXPORT = f"export=[{','.join(KINDS)}]"


@pytest.fixture
def segkit(tmp_path):
    """The command line in an empty folder."""
    (tmp_path / "here").mkdir()
    return WarmLine(tmp_path / "here")


@pytest.fixture
def predict(segkit, untrained_run):
    """`segkit predict` with a model of random weights; `predict.line` is the command line."""
    run = untrained_run()

    def call(*words, **options):
        return segkit("predict", f"run={run}", *SMALL, *words, **options)

    call.line = segkit
    return call


@pytest.fixture
def sent(tmp_path):
    """Files of a study of two series, of different contents."""
    folder = tmp_path / "sent"
    for number, name in enumerate(("thorax", "abdomen")):
        save(folder / name, series(name, values_of(SHAPE) * (1 - 2 * number), patient="P1", SeriesNumber=number + 1))
    return sorted(path for path in folder.rglob("*") if path.is_file())


def kept(line):
    """What is left of an exchange."""
    return [path for path in (line.folder / "cache" / "pacs").rglob("*") if path.is_file()]


def local_objects(predict, sent):
    """Return what the same prediction makes in folders, by SOPInstanceUID."""
    predict(f"input={sent[0].parent.parent}", "output=local", EXPORT)
    files = [path for path in (predict.line.folder / "local").iterdir() if path.suffix == ".dcm"]
    return {str(dcmread(path).SOPInstanceUID): path.read_bytes() for path in files}


def test_from_a_pacs_and_to_it(predict, sent, orthanc):
    orthanc.upload(sent)
    said = predict(f"input={orthanc.address}/studies/{STUDY}", f"output={orthanc.address}", EXPORT)
    assert "12 instances in 2 series, 12 to retrieve" in said.stdout
    assert "4 objects stored" in said.stdout
    assert STUDY not in said.stdout + said.stderr
    assert "P1" not in said.stdout + said.stderr
    assert sorted(orthanc.series(STUDY).values()) == ["CT", "CT", "RTSTRUCT", "RTSTRUCT", "SEG", "SEG"]
    expected = local_objects(predict, sent)
    assert len(expected) == 4
    assert {each: orthanc.bytes_of(each) for each in expected} == expected
    assert kept(predict.line) == []


def test_from_a_pacs_to_a_folder_and_from_a_folder_to_a_pacs(predict, sent, orthanc):
    orthanc.upload(sent)
    series_there = f"{orthanc.address}/studies/{STUDY}/series/{uid('P1', 'thorax')}"
    predict(f"input={series_there}", "output=masks")
    (case,) = [name for name in CASES if name == hashed(uid("P1", "thorax"))]
    assert (predict.line.folder / "masks" / f"{case}.nii.gz").is_file()
    assert kept(predict.line) == []
    said = predict(f"input={sent[0].parent.parent}", f"output={orthanc.address}")
    assert "2 objects stored" in said.stdout
    assert sorted(orthanc.series(STUDY).values()) == ["CT", "CT", "SEG", "SEG"]


def test_a_store_that_fails_midway_is_resumed(predict, sent, orthanc):
    orthanc.upload(sent)
    asked, is_down = [], True

    def trouble(method, path, number):
        asked.append((method, path))
        posts = sum(each == "POST" for each, _ in asked)
        return 500 if is_down and method == "POST" and posts > 1 else None

    with troubled(orthanc, trouble) as between:
        call = (f"input={between.address}/studies/{STUDY}", f"output={between.address}", EXPORT, "pacs.attempts=1")
        failed = predict(*call, expect=1)
        assert re.search(r"error: s\w{10}: 127\.0\.0\.1:\d+: storing s\w{10}\.\w+\.dcm failed: 500", failed.stderr)
        assert "error: 2 of 2 scans failed" in failed.stderr
        assert "kept for the same command" in failed.stdout
        (folder,) = (predict.line.folder / "cache" / "pacs").iterdir()
        assert folder.stat().st_mode & 0o077 == 0  # patients' data is nobody else's
        assert len(orthanc.series(STUDY)) == 3
        asked.clear()
        is_down = False
        done = predict(*call)
    assert "12 instances in 2 series, 0 to retrieve" in done.stdout
    assert "2 of 2 masks were there already" in done.stdout
    assert "3 objects stored, 1 were there already" in done.stdout
    assert sum(method == "POST" for method, _ in asked) == 3
    expected = local_objects(predict, sent)
    assert {each: orthanc.bytes_of(each) for each in expected} == expected
    assert kept(predict.line) == []


def test_a_bad_series_does_not_take_the_others_down(predict, sent, orthanc):
    thorax = [path for path in sent if path.parent.name == "thorax"]
    gap = next(path for path in thorax if dcmread(path).InstanceNumber == 3)
    orthanc.upload([path for path in sent if path != gap])
    said = predict(f"input={orthanc.address}/studies/{STUDY}", f"output={orthanc.address}", expect=1)
    assert f"error: {hashed(uid('P1', 'thorax'))}: " in said.stderr
    assert sorted(orthanc.series(STUDY).values()) == ["CT", "CT", "SEG"]


def test_credentials_come_from_the_environment_and_stay_there(predict, sent, tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    netrc = tmp_path / "netrc"
    with running(tmp_path / "server", ("ann", "s3cret-word")) as server:
        server.upload(sent)
        call = (f"input={server.address}/studies/{STUDY}", f"output={server.address}")
        refused = predict(*call, expect=1, environment={"NETRC": str(netrc)})
        assert "401" in refused.stderr
        assert "SEGKIT_PACS_USER" in refused.stderr
        netrc.write_text("machine 127.0.0.1 login ann password s3cret-word\n")
        netrc.chmod(0o600)
        said = predict(*call, environment={"NETRC": str(netrc)})
        assert "2 objects stored" in said.stdout
        netrc.unlink()
        word = {"SEGKIT_PACS_USER": "ann", "SEGKIT_PACS_PASSWORD": "s3cret-word"}
        to_folder = predict(call[0], "output=masks", environment=word)
        assert "s3cret" not in said.stdout + said.stderr + to_folder.stdout + to_folder.stderr
    written = [path for path in predict.line.folder.rglob("*") if path.is_file()]
    assert written
    assert not any(b"s3cret" in path.read_bytes() for path in written)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("input=dicomweb://ann:s3cret@127.0.0.1:1/dicom-web/studies/1.2 output=masks", "holds no user and no password"),
        ("input=dicomweb://127.0.0.1:1/dicom-web output=masks", "names no study"),
        ("input=scans output=dicomweb://127.0.0.1:1/dicom-web export=nifti", "export=nifti: a PACS takes DICOM"),
        ("input=https://127.0.0.1:1/dicom-web output=masks", "input: is no address such as dicomweb://"),
    ],
)
def test_a_mistake_in_the_call_is_one_line_and_exit_2(predict, words, says):
    (predict.line.folder / "scans").mkdir()
    said = predict(*words.split(), expect=2)
    (line,) = said.stderr.strip().splitlines()
    assert says in line
    assert "s3cret" not in line
    assert [path.name for path in predict.line.folder.iterdir()] == ["scans"]


def test_a_pacs_that_is_not_there_is_one_line(predict):
    said = predict("input=dicomweb://127.0.0.1:1/dicom-web/studies/1.2", "output=masks", "pacs.attempts=1", expect=1)
    (line,) = said.stderr.strip().splitlines()
    assert line == "error: 127.0.0.1:1: looking for series failed: the connection was refused or lost"
