"""Which cases there are, and which of them train, validate and stay held out."""

from segkit.datasets.bids import Bids
from segkit.datasets.case import Case, Description, Layout
from segkit.datasets.decathlon import Decathlon
from segkit.datasets.dicom_tree import DicomTree
from segkit.datasets.nnunet import NnUNetRaw
from segkit.datasets.paired_folders import PairedFolders
from segkit.datasets.table import Table

__all__ = ["Bids", "Case", "Decathlon", "Description", "DicomTree", "Layout", "NnUNetRaw", "PairedFolders", "Table"]
