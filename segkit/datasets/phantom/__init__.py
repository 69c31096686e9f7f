"""A synthetic CT cohort: organs of similar intensity that only place and shape tell apart."""

from segkit.datasets.phantom.anatomy import LABELS
from segkit.datasets.phantom.baseline import threshold_baseline
from segkit.datasets.phantom.cohort import Cohort, make_cohort

__all__ = ["LABELS", "Cohort", "make_cohort", "threshold_baseline"]
