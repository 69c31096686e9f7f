"""What started the processes of a training, as they see it."""

import pytest
from lightning_fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment

from segkit.foundation.errors import UsageError
from segkit.training.ranks import check_output_is_named, machines_of, rank, surroundings

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
