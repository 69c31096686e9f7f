"""DICOM exports written, and opened as data sets."""

from pathlib import Path

from segkit.config.compose import configure
from segkit.datasets.dataset import open_dataset
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.reading import read
from tests.volumes.dicom.test_references import LESION, LIVER, save, series, write_seg, write_structures

LIVER_ROI, LESION_ROI = ((1, 8), (2, 8), (1, 5)), ((3, 6), (4, 7), (2, 4))  # as `write_structures` takes them


def opened(root, *words):
    return open_dataset(configure("check", ["data=dicom_tree", f"data.root={root}", *words]).data)


def drawn(dataset, name):
    return read(dataset.cases[name].reference).array[0]


def name_of(slices):
    return hashed(slices[0].SeriesInstanceUID)


def write_tree(root: Path) -> Path:
    """One patient with a SEG, one with a structure set, one with nothing drawn; names as a PACS gives them."""
    one, two, bare = (series(name, patient=f"pseudonym {name}") for name in ("one", "two", "bare"))
    for number, slices in enumerate((one, two, bare)):
        save(root / f"4F{number}A" / "77C0", slices)
    write_seg(root / "5B20" / "9D", one, {"Liver": LIVER, "LESION": LESION})
    write_structures(root / "5B21" / "RS", two, {"liver ": LIVER_ROI, "Lesion": LESION_ROI, "couch": LESION_ROI})
    (root / "README.txt").write_text("litter")
    return root
