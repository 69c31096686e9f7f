"""What is known of a cohort when the jobs that shared it have ended, however they did."""

import pytest

from segkit.commands.shards import cohort_of
from segkit.config.shard import Shard
from segkit.runs.manifest import Manifest
from segkit.runs.register import Register
from segkit.studies.trial import Result, Trial

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def ended(tmp_path):
    """Say what two jobs left: the masks and failures of each, and its exit code."""

    def end(*jobs):
        results, shards = [], {}
        for index, (masks, failed, code, reason) in enumerate(jobs, 1):
            shard = Shard(index, len(jobs))
            register = Register(tmp_path, Manifest({"liver": 1}, ["w"]), shard)
            for name in masks:
                (tmp_path / f"{name}.nii.gz").touch()
                register.add(name, {"mask": f"{name}.nii.gz", "key": "k"})
            for name in failed:
                register.fail(name, "it is broken")
            register.close()
            trial = Trial(str(index), tmp_path / "config.yaml", tmp_path, (), command="predict")
            shards[trial] = shard
            results.append(Result(trial, code, 1.0, reason))
        return cohort_of(tmp_path, results, shards, NAMES)

    return end


def test_every_scan_is_accounted_for(ended):
    cohort = ended(("ac", "", 0, None), ("b", "d", 1, "1 of 2 scans failed: d"))
    assert sorted(cohort.masks) == ["a", "b", "c"]
    assert cohort.failed == {"d": "it is broken"}


def test_a_job_that_failed_itself_takes_all_its_scans_along(ended):
    # What it listed may be an earlier command's, whose settings were others.
    cohort = ended(("a", "c", -9, None), ("b", "", 1, "the disk is full"))
    assert cohort.masks == {}
    assert cohort.failed == {
        "a": "job 1/2: killed by signal 9", "c": "job 1/2: killed by signal 9",
        "b": "job 2/2: the disk is full", "d": "job 2/2: the disk is full",
    }  # fmt: skip
