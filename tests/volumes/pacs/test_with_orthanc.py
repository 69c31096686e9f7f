"""Series out of a real PACS and objects into it, byte for byte, also where the way between breaks."""

import pytest
from pydicom import dcmread

from segkit.config.addresses import Address, address_from
from segkit.config.options import PacsOptions, SeriesOptions
from segkit.foundation.errors import DataError
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.pacs import connection
from segkit.volumes.pacs.connection import connect
from segkit.volumes.pacs.retrieving import retrieve, series_of
from segkit.volumes.pacs.storing import has, store
from tests.orthanc import troubled
from tests.volumes.dicom.drawn import LIVER, save, series, uid, write_seg, write_structures

OPTIONS = PacsOptions(folder="", attempts=3, timeout=10)
STUDY = uid("P1", "study")


def wanted(**changes):
    return SeriesOptions(**{"modality": None, "description": None, "min_slices": None, "uid": None, **changes})


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(connection, "FIRST_WAIT", 0.0)


@pytest.fixture
def study(orthanc, tmp_path):
    """A study of a CT, an MR and a structure set in a PACS, beside that of another patient; its files by UID."""
    ct, mr = series("thorax", patient="P1"), series("head", patient="P1", modality="MR")
    folder = tmp_path / "sent"
    save(folder / "ct", ct)
    save(folder / "mr", mr)
    save(folder / "other", series("thorax", patient="P2"))
    write_structures(folder / "drawn.dcm", ct, {"liver": ((1, 8), (2, 8), (1, 5))})
    orthanc.upload(sorted(path for path in folder.rglob("*") if path.is_file()))
    return {one.SOPInstanceUID: one for one in (*ct, *mr)}


def source(server, **changes):
    return connect(address_from(f"{server.address}/studies/{changes.pop('study', STUDY)}", "input"), OPTIONS)


def fetched(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*.dcm")}


def test_images_of_a_study_come_as_they_are_stored(orthanc, study, tmp_path):
    assert retrieve(source(orthanc), wanted(), tmp_path / "scans") == 12
    expected = {f"{hashed(each, digits=32)}.dcm": orthanc.bytes_of(each) for each in study}
    assert fetched(tmp_path / "scans") == expected
    assert {path.name for path in (tmp_path / "scans").iterdir()} == {
        hashed(uid("P1", "thorax")),
        hashed(uid("P1", "head")),
    }


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"modality": "ct"}, ["thorax"]), ({"modality": ["MR", "PT"]}, ["head"]), ({"description": "TH*"}, ["thorax"]),
        ({"uid": uid("P1", "head")}, ["head"]), ({"uid": hashed(uid("P1", "head"))}, ["head"]),
        ({"uid": f"{hashed(uid('P1', 'head'))}_2"}, ["head"]), ({"min_slices": 100}, ["head", "thorax"]),
    ],
)  # fmt: skip
def test_only_series_that_are_meant_are_fetched(orthanc, study, filters, found):
    assert sorted(series_of(source(orthanc), wanted(**filters))) == sorted(uid("P1", name) for name in found)


def test_an_address_may_name_one_series(orthanc, study, tmp_path):
    address = address_from(f"{orthanc.address}/studies/{STUDY}/series/{uid('P1', 'head')}", "input")
    assert retrieve(connect(address, OPTIONS), wanted(), tmp_path) == 6
    assert [path.name for path in tmp_path.iterdir() if path.name != "sent"] == [hashed(uid("P1", "head"))]


def test_what_is_not_there_is_said(orthanc, study, tmp_path):
    with pytest.raises(DataError, match=r"no series of images here that fits; it has CT, MR, RTSTRUCT$"):
        retrieve(source(orthanc), wanted(modality="PT"), tmp_path)
    with pytest.raises(DataError, match=r"it has nothing$"):
        retrieve(source(orthanc, study="1.2.3"), wanted(), tmp_path)


def test_only_what_is_missing_is_fetched_and_what_is_gone_is_removed(orthanc, study, tmp_path):
    folder, asked = tmp_path / "scans", []
    retrieve(source(orthanc), wanted(), folder)
    whole = fetched(folder)
    lost = sorted(folder.rglob("*.dcm"))[0]
    lost.unlink()
    (folder / "left").mkdir()
    (lost.parent / "left.dcm").write_bytes(b"of a series that had more")
    with troubled(orthanc, lambda method, path, number: asked.append(path)) as between:
        retrieve(source(between), wanted(), folder)
    assert fetched(folder) == whole
    assert not (folder / "left").exists()
    assert sum("/instances/" in path for path in asked) == 1


@pytest.mark.parametrize("wrong", [0, 503], ids=["broken off", "overloaded"])
def test_a_stream_that_breaks_is_finished_one_by_one(orthanc, study, tmp_path, wrong):
    def trouble(method, path, number):
        is_stream = path.rpartition("/")[0].endswith("/series")
        return wrong if is_stream or (number % 3 == 0 and "/instances/" in path) else None

    with troubled(orthanc, trouble) as between:
        assert retrieve(source(between), wanted(), tmp_path / "scans") == 12
    assert fetched(tmp_path / "scans") == {f"{hashed(each, digits=32)}.dcm": orthanc.bytes_of(each) for each in study}


def test_what_was_fetched_before_a_failure_stays(orthanc, study, tmp_path):
    def trouble(method, path, number):
        is_stream = path.rpartition("/")[0].endswith("/series")
        return 500 if is_stream or ("/instances/" in path and len(fetched(tmp_path / "scans")) >= 4) else None

    with troubled(orthanc, trouble) as between, pytest.raises(DataError, match="retrieving an instance failed: 500"):
        retrieve(source(between), wanted(), tmp_path / "scans")
    assert len(fetched(tmp_path / "scans")) == 4
    assert retrieve(source(orthanc), wanted(), tmp_path / "scans") == 12


def derived(tmp_path, patient="P1"):
    write_seg(tmp_path / "seg.dcm", series("thorax", patient=patient), {"liver": LIVER})
    return tmp_path / "seg.dcm"


def test_an_object_is_stored_once_byte_for_byte(orthanc, study, tmp_path):
    seg = derived(tmp_path)
    pacs = connect(address_from(orthanc.address, "output"), OPTIONS)
    assert store(pacs, seg)
    assert not store(pacs, seg)
    assert sorted(orthanc.series(STUDY).values()) == ["CT", "MR", "RTSTRUCT", "SEG"]
    stored = dcmread(seg).SOPInstanceUID
    assert orthanc.bytes_of(stored) == seg.read_bytes()
    assert has(pacs, STUDY, stored)
    assert not has(pacs, "1.2.3", stored)


@pytest.mark.parametrize("wrong", [0, 503], ids=["delivered and no answer", "overloaded"])
def test_a_store_that_fails_in_passing_is_repeated(orthanc, study, tmp_path, wrong):
    posts = []

    def trouble(method, path, number):
        if method == "POST":
            posts.append(path)
        return wrong if method == "POST" and len(posts) < 3 else None

    seg = derived(tmp_path)
    with troubled(orthanc, trouble) as between:
        assert store(connect(address_from(between.address, "output"), OPTIONS), seg)
    assert len(posts) == 3
    assert list(orthanc.series(STUDY).values()).count("SEG") == 1
    assert orthanc.bytes_of(dcmread(seg).SOPInstanceUID) == seg.read_bytes()


def test_a_pacs_that_refuses_or_loses_an_object_is_named(orthanc, study, tmp_path):
    def lose(method, path, number):
        return 200 if method == "POST" else None  # as if it were stored

    with (
        troubled(orthanc, lose) as between,
        pytest.raises(DataError, match=r"took seg\.dcm, and does not find it again"),
    ):
        store(connect(address_from(between.address, "output"), OPTIONS), derived(tmp_path))
    (tmp_path / "seg.dcm").unlink()
    with pytest.raises(DataError, match="another study"):
        store(connect(Address(f"{orthanc.url}/dicom-web", STUDY), OPTIONS), derived(tmp_path, "P2"))
