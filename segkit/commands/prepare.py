"""`segkit prepare data=NAME`: fingerprint, plan and prepared cases, before anything trains."""

from __future__ import annotations

from segkit.commands.preparing import Study, prepare_study
from segkit.config.commands import PrepareConfig
from segkit.config.targets import check_signatures
from segkit.foundation.console import paths_written
from segkit.preparation.intensity_transforms import portable
from segkit.studies.launching import cases_spread


def prepare(config: PrepareConfig) -> Study:
    """Prepare a data set in the cache, where `train` finds it.

    Raises:
        CasesFailedError: when cases cannot be used; the others are prepared.
    """
    check_signatures(config)
    config = portable(config)
    with cases_spread(config.launcher):
        study = prepare_study(config)
    paths_written([config.paths.cache])
    return study
