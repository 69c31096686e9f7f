"""`segkit convert list=true`: a row says what a volume is, in figures that are worked out by hand here."""

import csv

import numpy as np
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, UltrasoundImageStorage

from segkit.commands.convert import convert
from segkit.config.compose import configure
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.dicom.instances import hashed
from tests.volumes.dicom.drawn import (
    COLUMN,
    LIVER,
    SHAPE,
    STEP,
    changed,
    save,
    series,
    uid,
    values_of,
    write_seg,
    write_structures,
)


def listed(tmp_path, *words):
    """Return the rows of the table of `tmp_path/export`."""
    output = tmp_path / "table.csv"
    convert(configure("convert", [f"input={tmp_path / 'export'}", "list=true", f"output={output}", *words]))
    return list(csv.DictReader(output.open(newline="")))


def only(tmp_path, headers):
    save(tmp_path / "export", headers)
    (row,) = listed(tmp_path)
    return row


def test_a_plain_series(tmp_path, capsys):
    row = only(tmp_path, series())
    assert row == {
        "series": hashed(uid("pseudonym 1", "ct")), "modality": "CT", "description": "ct", "size": "12 x 10 x 6",
        "spacing (mm)": "1.2 x 0.9 x 2.5", "transfer syntax": "Explicit VR Little Endian", "what is odd": "",
    }  # fmt: skip
    said = capsys.readouterr()
    assert row["series"] in said.out
    assert f"wrote {tmp_path / 'table.csv'}" in said.out
    assert not said.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        # tan = 1 / 2.5
        ({"step": STEP + 1.0 * COLUMN}, "tilted by 21.8 degrees"),
        ({"places": [0, 1, 2, 4, 5, 6]}, "2.5 mm, but 5 mm from IM014 to IM004: 1 slice is missing"),
        ({"places": [0, 1, 2, 3, 4, 4]}, "two slices in the same place"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}, "derived"),
        ({"values": values_of()[..., :1]}, "one slice, whose thickness is 9 mm, its SliceThickness"),
        ({"values": values_of()[..., :1], "SliceThickness": None}, "one slice, whose thickness is unknown and taken"),
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, ""),
    ],
)
def test_what_is_odd(tmp_path, options, says):
    if options.get("RescaleSlope") == 0:
        save(tmp_path / "export", series(**options))
        with pytest.raises(DataError, match=r"RescaleSlope \(0028,1053\) is 0"):
            listed(tmp_path)
        return
    assert says in only(tmp_path, series(**options))["what is odd"]


def test_the_missing_slice_is_named_by_its_place(tmp_path):
    row = only(tmp_path, series(places=[0, 1, 2, 4, 5, 6]))
    from tests.volumes.dicom.drawn import ORIGIN

    place = ", ".join(f"{value:.4g}" for value in ORIGIN + 3 * STEP)
    assert f"missing, at [{place}]" in row["what is odd"]
    assert "dicom.gaps=resample" in row["what is odd"]


def test_uneven_slices_are_listed_with_the_spacing_that_resampling_gives(tmp_path):
    assert only(tmp_path, series(places=[0, 2, 3, 4, 5, 6]))["spacing (mm)"] == "1.2 x 0.9 x 2.5"


@pytest.mark.parametrize(
    ("syntax", "name"),
    [(ImplicitVRLittleEndian, "Implicit VR Little Endian"), (ExplicitVRBigEndian, "Explicit VR Big Endian")],
)
def test_transfer_syntaxes_are_named(tmp_path, syntax, name):
    slices = series()
    for one in slices:
        one.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            one.PixelData = np.frombuffer(one.PixelData, "<i2").astype(">i2").tobytes()
    for number, one in enumerate(slices):
        (tmp_path / "export").mkdir(exist_ok=True)
        one.save_as(tmp_path / "export" / str(number), enforce_file_format=True)
    assert listed(tmp_path)[0]["transfer syntax"] == name


def test_a_picture_whose_darkest_is_its_largest(tmp_path):
    one = series(values=values_of()[..., :1], modality="US")[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
        delattr(one, keyword)
    changed(one, SOPClassUID=UltrasoundImageStorage, PhotometricInterpretation="MONOCHROME1")
    row = only(tmp_path, [one])
    assert (row["size"], row["spacing (mm)"]) == ("12 x 10", "1.2 x 0.9")
    assert row["what is odd"] == "MONOCHROME1, turned so that larger is brighter"


def test_copies_are_counted_and_what_has_no_image_is_told(tmp_path, capsys):
    slices = series()
    save(tmp_path / "export", slices)
    save(tmp_path / "export" / "again", slices[:3])
    write_seg(tmp_path / "export" / "a", slices, {"liver": LIVER})
    write_seg(tmp_path / "export" / "b", slices, {"liver": LIVER})
    write_structures(tmp_path / "export" / "c", slices, {"liver": ((1, 3), (1, 3), (1, 3))})
    (row,) = listed(tmp_path)
    assert row["what is odd"] == "3 copies left out"
    assert "beside them: 1 RTSTRUCT, 2 SEG" in capsys.readouterr().out


def test_what_cannot_be_read_is_named_beside_the_table(tmp_path, capsys):
    save(tmp_path / "export" / "good", series())
    save(tmp_path / "export" / "bad", [changed(one, ImageOrientationPatient=None) for one in series("bad")[:1]])
    (tmp_path / "export" / "junk").write_bytes(bytes(128) + b"DICM" + b"x" * 400)
    assert len(listed(tmp_path)) == 1
    said = capsys.readouterr().err
    assert "bad/IM000: has no ImageOrientationPatient (0020,0037)" in said
    assert "junk" in said


def test_a_series_that_cannot_be_used_says_why_and_nothing_of_its_folder(tmp_path):
    folder = tmp_path / "export" / "QUIXWORTH^ZEBULON"
    save(folder, series())
    path = folder / "IM007"
    path.write_bytes(path.read_bytes()[:-50])
    (row,) = listed(tmp_path)
    assert "IM007" in row["what is odd"]
    assert "PixelData (7FE0,0010)" in row["what is odd"]
    assert "QUIXWORTH" not in row["what is odd"]


@pytest.mark.parametrize("text", ["a\x1b[31mred", "two\nlines", 'a "quoted", one', "=1+1"])
def test_a_description_of_any_text_stays_one_cell(tmp_path, text, capsys):
    row = only(tmp_path, series(SeriesDescription=text))
    assert row["size"] == "x".join(f" {size} " for size in SHAPE).strip()
    assert row["description"].replace("\\x1b", "\x1b").split() == text.split()
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert len([line for line in said.splitlines() if "12 x 10 x 6" in line]) == 1


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["series.modality=mr"], {"b"}),
        (["series.description=A*"], {"a"}),
        (["series.min_slices=5"], {"a"}),
        ([f"series.uid={hashed(uid('pseudonym 1', 'b'))}"], {"b"}),
        (["series.modality=[CT,MR]"], {"a", "b"}),
        (["series.modality=PT"], set()),
    ],
)
def test_filters_choose_the_rows(tmp_path, words, names):
    save(tmp_path / "export" / "1", series("a"))
    save(tmp_path / "export" / "2", series("b", values_of()[..., :3], modality="MR"))
    assert {row["description"] for row in listed(tmp_path, *words)} == names


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data=paired", "data.root=x"], r"list=true shows the series of a DICOM export: pass input=EXPORT"),
        (["input=x", "output=table.txt"], r"list=true writes a table: end its name in \.csv"),
    ],
)
def test_what_cannot_be_listed(words, says):
    with pytest.raises(UsageError, match=says):
        convert(configure("convert", ["list=true", *words]))


def test_a_folder_without_images_is_said(tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "README").write_text("none")
    with pytest.raises(DataError, match="export holds no DICOM image"):
        listed(tmp_path)
    assert not (tmp_path / "table.csv").exists()
