"""Which cases there are, and which of them train, validate and stay held out."""

from segkit.datasets.case import Case, Description, Layout
from segkit.datasets.paired_folders import PairedFolders

__all__ = ["Case", "Description", "Layout", "PairedFolders"]
