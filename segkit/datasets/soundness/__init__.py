"""What is wrong with a data set: within a case, between cases, over a split."""

from segkit.datasets.soundness.cases import Examination, examine
from segkit.datasets.soundness.cohort import compare
from segkit.datasets.soundness.findings import Finding, unusable
from segkit.datasets.soundness.headers import examine_headers
from segkit.datasets.soundness.leaks import leaks, written_splits

__all__ = ["Examination", "Finding", "compare", "examine", "examine_headers", "leaks", "unusable", "written_splits"]
