"""What started the processes of a training, as they see it."""

from dataclasses import replace

import pytest
from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

from segkit.foundation.errors import UsageError
from segkit.training.ranks import check_output_is_named, machines_of, rank, share_of, surroundings
from tests.training.conftest import PLAN

TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "3", "LOCAL_RANK": "1"}
SRUN = {
    "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "2",
    "SLURM_NTASKS_PER_NODE": "2", "SLURM_LOCALID": "0",
}  # fmt: skip
# An allocation of four tasks, whose shell runs one process: nothing was started beside it.
SHELL = {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "17"}
CHILD = {"LOCAL_RANK": "1", "WORLD_SIZE": "2", "NODE_RANK": "0"}  # of Lightning


@pytest.fixture
def started(monkeypatch):
    for name in ("LOCAL_RANK", "RANK", *TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)

    def start(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return start


@pytest.mark.parametrize(
    ("variables", "place", "machines", "kind"),
    [
        ({}, 0, 1, LightningEnvironment), (SHELL, 0, 1, LightningEnvironment), (CHILD, 1, 1, LightningEnvironment),
        (TORCHRUN, 3, 2, TorchElasticEnvironment), (SRUN, 2, 2, SLURMEnvironment),
    ],
)  # fmt: skip
def test_who_started_what(variables, place, machines, kind, started):
    started(variables)
    assert (rank(), machines_of(2), type(surroundings())) == (place, machines, kind)


@pytest.mark.parametrize(("variables", "by"), [(TORCHRUN, "torchrun"), (SRUN, "srun")])
def test_what_does_not_fit_what_was_started(variables, by, started):
    started(variables)
    with pytest.raises(UsageError, match=f"{by} started 4 processes, 2 on each machine, .*pass training.devices=2"):
        machines_of(1)
    with pytest.raises(UsageError, match=f"processes of {by} share one run folder, so pass output=DIR"):
        check_output_is_named(None)
    check_output_is_named("out")


@pytest.mark.parametrize(
    ("batch", "members", "processes", "share"), [(4, 1, 2, 2), (4, 1, 1, 4), (12, 3, 2, 6), (6, 3, 1, 6)]
)
def test_every_process_has_as_many_patches_of_each_network(batch, members, processes, share):
    assert share_of(replace(PLAN, batch=batch, members=members), processes) == share


@pytest.mark.parametrize(("batch", "members", "said"), [(4, 1, 6), (6, 3, 3), (12, 3, 6)])
def test_a_batch_that_cannot_be_shared_is_refused_with_the_one_to_set(batch, members, said):
    with pytest.raises(
        UsageError, match=rf"3 processes cannot share a batch of {batch // members} .*plan\.batch={said}$"
    ):
        share_of(replace(PLAN, batch=batch, members=members), 3)
