import json
import math

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segkit.foundation.errors import UsageError
from segkit.networks.building import build_network
from segkit.networks.operations import forward_operations
from segkit.preparation.budget import Step
from segkit.training.step_cost import EstimatedSteps, MeasuredSteps

CPU = torch.device("cpu")
PATCH = (16, 16, 16)


def unet(features=(4, 8), outputs=2, **options):
    strides = [[1, 1, 1], [2, 2, 2]]
    shape = {"in_channels": 1, "out_channels": outputs, "dims": 3, "strides": strides, "features": list(features)}
    return {"_target_": "segkit.networks.UNet", **shape, **options}


def step(patch=PATCH, batch=2, **options):
    network = unet(**options)
    return Step(network, 1, network["out_channels"], patch, batch)


def test_operations_of_one_convolution_by_hand():
    # 4^3 voxels, 27 weights of 2 channels to each of 3, a multiplication and an addition each.
    layer = {"_target_": "torch.nn.Conv3d", "in_channels": 2, "out_channels": 3, "kernel_size": 3, "padding": 1}
    assert forward_operations(layer, 2, (4, 4, 4)) == 2 * 4**3 * 27 * 2 * 3


def test_operations_as_pytorch_counts_a_real_run():
    network = unet(block="residual", deep_supervision=True)
    with FlopCounterMode(display=False) as counter:
        build_network(network)(torch.zeros(1, 1, *PATCH))
    assert forward_operations(network, 1, PATCH) == counter.get_total_flops()


def test_an_estimate_is_the_same_every_time_and_grows_with_the_work():
    estimate = EstimatedSteps(CPU, "32")
    one = estimate(step(batch=1, features=[16, 32]))
    assert one == estimate(step(batch=1, features=[16, 32])) > 0
    assert estimate(step(batch=3, features=[16, 32])) == pytest.approx(3 * one)
    assert estimate(step(batch=1, features=[32, 64])) > 2 * one


@pytest.mark.parametrize("options", [{}, {"deep_supervision": True}, {"outputs": 1}], ids=str)
def test_a_step_is_timed_once_and_then_known(tmp_path, monkeypatch, options):
    measure = MeasuredSteps(CPU, "32", tmp_path)
    seconds = measure(step(**options))
    assert 0 < seconds < math.inf
    (kept,) = (tmp_path / "step_seconds").iterdir()
    assert json.loads(kept.read_text())["seconds"] == seconds
    monkeypatch.setattr(MeasuredSteps, "timed", lambda *_: 1000.0)
    assert measure(step(**options)) == seconds
    assert measure(step(batch=3, **options)) == 1000  # another batch, another patch, other arithmetic: other steps
    assert measure(step((16, 16, 8), **options)) == 1000
    assert MeasuredSteps(CPU, "bf16", tmp_path)(step(**options)) == 1000
    kept.write_text("{")
    assert measure(step(**options)) == 1000


def test_timing_leaves_the_draws_of_the_training_alone(tmp_path):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    MeasuredSteps(CPU, "32", tmp_path)(step())
    assert torch.equal(torch.rand(3), wanted)


def test_a_network_that_cannot_be_built_is_an_error_as_in_the_training(tmp_path):
    with pytest.raises(UsageError):
        MeasuredSteps(CPU, "32", tmp_path)(step(features=[4]))


class Deciding(nn.Module):
    """A network of nobody's channels that looks at values to decide what it does."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv3d(1, 2, 1)

    def forward(self, images):
        return self.layer(images) if images.sum() >= 0 else self.layer(-images)


def test_a_network_of_ones_own_that_takes_no_channels(tmp_path, monkeypatch):
    monkeypatch.setattr("segkit.networks.building.build", lambda arguments: Deciding())
    own = Step({"_target_": "my.Deciding"}, 1, 2, PATCH, 2)
    assert 0 < MeasuredSteps(CPU, "32", tmp_path)(own) < math.inf
    assert forward_operations(own.network, 1, PATCH) == 2 * 16**3 * 2
    assert EstimatedSteps(CPU, "32")(own) > 0


def test_too_large_a_step_is_infinitely_slow_and_not_kept(tmp_path, monkeypatch):
    def median(self, step):
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate")

    monkeypatch.setattr(MeasuredSteps, "median", median)
    assert MeasuredSteps(CPU, "32", tmp_path)(step()) == math.inf
    assert not (tmp_path / "step_seconds").exists()
    monkeypatch.setattr(MeasuredSteps, "median", lambda *_: [][0])
    with pytest.raises(IndexError):
        MeasuredSteps(CPU, "32", tmp_path)(step())
