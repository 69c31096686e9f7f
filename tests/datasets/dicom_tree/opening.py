"""Trees of DICOM objects, opened as data sets, for tests."""

from segkit.config.compose import configure
from segkit.datasets.dataset import open_dataset
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.reading import read

LIVER_ROI, LESION_ROI = ((1, 8), (2, 8), (1, 5)), ((3, 6), (4, 7), (2, 4))  # as `write_structures` takes them


def opened(root, *words):
    return open_dataset(configure("check", ["data=dicom_tree", f"data.root={root}", *words]).data)


def drawn(dataset, name):
    return read(dataset.cases[name].reference).array[0]


def name_of(slices):
    return hashed(slices[0].SeriesInstanceUID)
