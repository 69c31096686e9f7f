"""Cross-validation as one thing: what the folds of a method say together of every case."""

from __future__ import annotations

from segkit.studies.study import Study


def pool_folds(study: Study) -> None:
    """Pool."""
