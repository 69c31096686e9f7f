"""What a process holds does not grow with the scans it segments; `scripts/soak` takes thousands."""

import gc
import sys

import pytest

from tests.faults.soaking import SMALL_SHAPE, scans, soaked

SCANS = 60
MOST_OBJECTS = SCANS  # that Python may track more: far less than a few for each scan


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts open files where Linux lists them")
def test_files_threads_children_and_objects_stay_as_many(tmp_path, untrained_run):
    run = untrained_run()
    scans(tmp_path / "scans", SCANS, SMALL_SHAPE)
    soaked(run, tmp_path / "scans", tmp_path / "first")
    gc.collect()
    objects = len(gc.get_objects())
    found = soaked(run, tmp_path / "scans", tmp_path / "second")
    gc.collect()
    assert found.before == found.after
    assert found.masks[-1] == SCANS
    assert len(gc.get_objects()) < objects + MOST_OBJECTS
