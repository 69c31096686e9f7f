"""Exporters: found by scanning and by entry points, chosen by name, checked before anything is computed."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from segkit.config.labels import labels_from
from segkit.foundation.errors import DataError, UsageError
from segkit.inference import exporters as package
from segkit.inference.exporters import (
    Exporter,
    Segmented,
    check_objects,
    export,
    exporters,
    exporters_named,
    fitting,
    segments_of,
    standard_objects,
)
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Source, Volume


def scan_of(format_name):
    return Volume(np.zeros((1, 2, 3, 4)), Grid((2, 3, 4), np.eye(4)), Source(None, format_name))


def write_names(segmented, path):
    path.write_text(" ".join(segmented.labels.foreground))


OTHER = Exporter("names", ".names", write_names, is_mask=False)


@pytest.fixture
def third_party(monkeypatch):
    """Install a third party's exporter for the time of a test."""

    def install(exporter):
        entry = EntryPoint("names", "theirs:EXPORTER", package.ENTRY_POINTS)
        monkeypatch.setattr(EntryPoint, "load", lambda self: exporter)
        monkeypatch.setattr(package, "entry_points", lambda group: [entry] if group == package.ENTRY_POINTS else [])
        exporters.cache_clear()

    yield install
    monkeypatch.undo()
    exporters.cache_clear()


def test_own_ones_are_found_with_the_formats_they_had_before():
    known = exporters()
    assert {name: known[name].suffix for name in ("nifti", "nrrd", "metaimage", "png", "tiff")} == {
        "nifti": ".nii.gz", "nrrd": ".nrrd", "metaimage": ".mha", "png": ".png", "tiff": ".tif",
    }  # fmt: skip
    assert known["dicom_seg"].needs_dicom
    assert known["sr"].needs == ("dicom_seg",)


def test_auto_is_the_scans_own_format_and_nifti_where_segkit_does_not_write_it():
    own = {"nifti": ".nii.gz", "nrrd": ".nrrd", "picture": ".png", "dicom": ".nii.gz", None: ".nii.gz"}
    for name, suffix in own.items():
        assert [each.suffix for each in fitting(exporters_named("auto"), scan_of(name))] == [suffix]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("niftii", "export: niftii is not one of auto, .*did you mean nifti"),
        ([], "export names nothing to write"),
        (["sr", "nifti"], r"export=sr refers to dicom_seg: pass export=\[dicom_seg,sr,nifti\]"),
    ],
)
def test_mistakes_in_names(wanted, words):
    with pytest.raises(UsageError, match=words):
        exporters_named(wanted)


def test_a_dicom_object_needs_a_dicom_series():
    with pytest.raises(DataError, match=r"export=dicom_seg lies beside a DICOM series.*of format nifti"):
        fitting(exporters_named(["nifti", "dicom_seg"]), scan_of("nifti"))


def test_a_third_partys_exporter_is_one_more(third_party, tmp_path):
    third_party(OTHER)
    labels = labels_from({"background": 0, "liver": 1})
    mask = np.ones((2, 3, 4), np.uint8)
    segmented = Segmented(mask, labels, scan_of("nrrd"), Author("a", "1"), standard_objects())
    wanted = fitting(exporters_named(["names", "auto"]), segmented.scan)
    assert export(segmented, wanted, tmp_path, "x") == {"nrrd": "x.nrrd", "names": "x.names"}
    assert (tmp_path / "x.names").read_text() == "liver"
    assert np.array_equal(read(tmp_path / "x.nrrd").array[0], mask)


@pytest.mark.parametrize(
    ("exporter", "words"),
    [
        (Exporter("nifti", ".other", write_names), "two exporters have the name nifti"),
        (Exporter("other", ".nii.gz", write_names), "two exporters have the suffix .nii.gz"),
        ("no exporter", r"entry point names of segkit.exporters \(theirs:EXPORTER\) is no segkit Exporter"),
    ],
)
def test_a_third_partys_mistake_is_named(third_party, exporter, words):
    third_party(exporter)
    with pytest.raises(UsageError, match=words):
        exporters_named("nifti")


def test_segments_are_numbered_by_value():
    objects = standard_objects()
    labels = labels_from({"background": 0, "tumour": 9, "liver": 4})
    assert [(each.number, each.name) for each in segments_of(labels, objects)] == [(1, "liver"), (2, "tumour")]
    as_map = type(objects)(**{**vars(objects), "segmentation": "labelmap"})
    assert [(each.number, each.name) for each in segments_of(labels, as_map)] == [(4, "liver"), (9, "tumour")]
    regions = labels_from({"background": 0, "whole": [1, 2], "core": 2}, [1, 2])
    assert [(each.number, each.values) for each in segments_of(regions, objects)] == [(1, (1, 2)), (2, (2,))]


def test_labels_without_a_code_are_named_once(capsys):
    labels = labels_from({"background": 0, "liver": 1, "anterior": 2})
    check_objects(exporters_named("nifti"), labels, standard_objects())
    assert "no code" not in "".join(capsys.readouterr())
    check_objects(exporters_named("dicom_seg"), labels, standard_objects())
    said = "".join(capsys.readouterr())
    assert "no code is known for anterior:" in " ".join(said.split())
    assert "liver" not in said


def test_the_same_mask_is_the_same_in_any_order_in_memory():
    labels = labels_from({"background": 0, "liver": 1})
    mask = np.random.default_rng(0).integers(0, 2, (2, 3, 4))
    made = [
        Segmented(values, labels, scan_of("nifti"), Author("a", "1"), standard_objects()).identity
        for values in (mask, np.asfortranarray(mask.astype(np.uint8)), 1 - mask)
    ]
    assert made[0] == made[1] != made[2]
