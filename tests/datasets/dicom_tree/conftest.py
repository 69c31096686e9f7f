"""A tree as a PACS exports it."""

import pytest

from tests.datasets.dicom_tree.opening import LESION_ROI, LIVER_ROI
from tests.volumes.dicom.drawn import LESION, LIVER, save, series, write_seg, write_structures


@pytest.fixture
def tree(tmp_path):
    """One patient with a SEG, one with a structure set, one with nothing drawn; names as a PACS gives them."""
    root = tmp_path / "export"
    one, two, bare = (series(name, patient=f"pseudonym {name}") for name in ("one", "two", "bare"))
    for number, slices in enumerate((one, two, bare)):
        save(root / f"4F{number}A" / "77C0", slices)
    write_seg(root / "5B20" / "9D", one, {"Liver": LIVER, "LESION": LESION})
    write_structures(root / "5B21" / "RS", two, {"liver ": LIVER_ROI, "Lesion": LESION_ROI, "couch": LESION_ROI})
    (root / "README.txt").write_text("litter")
    return root
