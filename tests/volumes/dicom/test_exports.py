"""An export as cases: called as their folders are, or by a hash where that would name somebody."""

import pytest

from segkit.config.options import SeriesOptions
from segkit.volumes.dicom.exports import is_export
from segkit.volumes.dicom.instances import hashed


def new(maker, slices=2, **changes):
    return maker.series(slices, SeriesInstanceUID=maker.uid(), **changes)


@pytest.mark.parametrize("names", [("p1", "p2"), ("case 001", "case 002")])
def test_a_case_is_called_as_its_folder(maker, tmp_path, names):
    for name in names:
        maker.save(tmp_path / name, new(maker))
    assert sorted(maker.cases(tmp_path)) == list(names)
    assert list(maker.cases(tmp_path / names[0])) == [names[0]]


@pytest.mark.parametrize("name", ["Quijote", "dulcinea (1)", "QUIJOTE_DULCINEA", "19391224", "x quijote"])
def test_a_folder_that_names_its_patient_is_not_told(maker, tmp_path, name):
    headers = new(maker)
    maker.save(tmp_path / name, headers)
    maker.save(tmp_path / "p2", new(maker))
    cases = maker.cases(tmp_path)
    assert sorted(cases) == sorted([hashed(headers[0].SeriesInstanceUID), "p2"])
    assert name not in cases


def test_a_folder_called_as_the_patients_id_is_a_pseudonym(maker, tmp_path):
    maker.save(tmp_path / "mrn-4711", new(maker, PatientName="MRN-4711"))
    assert list(maker.cases(tmp_path)) == ["mrn-4711"]


def test_other_names_count_too(maker, tmp_path):
    headers = new(maker, OtherPatientNames="Panza^Sancho")
    maker.save(tmp_path / "sancho", headers)
    assert list(maker.cases(tmp_path)) == [hashed(headers[0].SeriesInstanceUID)]


def test_a_folder_whose_patient_cannot_be_read_is_not_told(maker, tmp_path):
    headers = new(maker)
    folder = maker.save(tmp_path / "quijote", headers)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"LO\x08\x00MRN-4711", b"FL\x06\x00MRN-47"))
    assert list(maker.cases(tmp_path)) == [hashed(headers[0].SeriesInstanceUID)]


def test_several_series_of_a_folder_are_called_by_their_uids(maker, tmp_path):
    one, other = new(maker), new(maker, 3)
    maker.save(tmp_path / "p1", [*one, *other])
    assert set(maker.cases(tmp_path)) == {hashed(one[0].SeriesInstanceUID), hashed(other[0].SeriesInstanceUID)}


def test_folders_of_folders_are_called_by_their_uids(maker, tmp_path):
    headers = new(maker)
    maker.save(tmp_path / "p1" / "ct", headers)
    assert list(maker.cases(tmp_path)) == [hashed(headers[0].SeriesInstanceUID)]


def test_a_folder_and_its_namesake_below_are_two_cases(maker, tmp_path):
    root = tmp_path / "ct"
    maker.save(root, new(maker), ["1", "2"])
    maker.save(root / "ct", new(maker), ["1", "2"])
    assert len(maker.cases(root)) == 2


def test_volumes_of_one_series_are_numbered(maker, tmp_path):
    headers = [maker.slice(index, EchoTime=echo) for echo in ("2", "4") for index in range(2)]
    name = hashed(maker.series_uid)
    assert sorted(maker.cases(maker.save(tmp_path / "a", headers, list("abcd")))) == [f"{name}_1", f"{name}_2"]


def test_filters_reach_the_cases(maker, tmp_path):
    maker.save(tmp_path / "p1", new(maker))
    maker.save(tmp_path / "p2", new(maker, 4))
    wanted = SeriesOptions(modality=None, description=None, min_slices=3, uid=None)
    assert list(maker.cases(tmp_path, wanted)) == ["p2"]


def test_what_is_an_export(maker, tmp_path):
    assert not is_export(tmp_path)
    (tmp_path / "notes.txt").write_text("x" * 500)
    assert not is_export(tmp_path)
    deep = maker.save(tmp_path / "a" / "b", new(maker), ["1", "2"])
    assert is_export(tmp_path)
    assert is_export(deep)
    assert not is_export(deep / "1")
    assert not is_export(tmp_path / "notes.txt")
    assert not is_export(tmp_path / "absent")
