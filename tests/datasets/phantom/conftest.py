"""One small cohort for all tests of this folder: six cases show every way in which a case is scanned."""

from pathlib import Path

import pytest

from segkit.datasets.phantom import Cohort, make_cohort

SEED = 11


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder: Path = tmp_path_factory.mktemp("phantom") / "cohort"
    return make_cohort(folder, cases=6, seed=SEED, held_out=2, workers=1)
