import json
import math

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from segkit.foundation.errors import UsageError
from segkit.networks.building import build_network
from segkit.networks.operations import forward_operations
from segkit.training.step_cost import EstimatedSteps, MeasuredSteps

CPU = torch.device("cpu")
PATCH = (16, 16, 16)


def unet(features=(4, 8), outputs=2, **options):
    strides = [[1, 1, 1], [2, 2, 2]]
    shape = {"in_channels": 1, "out_channels": outputs, "dims": 3, "strides": strides, "features": list(features)}
    return {"_target_": "segkit.networks.UNet", **shape, **options}


def test_operations_of_one_convolution_by_hand():
    # 4^3 voxels, 27 weights of 2 channels to each of 3, a multiplication and an addition each.
    layer = {"_target_": "torch.nn.Conv3d", "in_channels": 2, "out_channels": 3, "kernel_size": 3, "padding": 1}
    assert forward_operations(layer, (4, 4, 4)) == 2 * 4**3 * 27 * 2 * 3


def test_operations_as_pytorch_counts_a_real_run():
    network = unet(block="residual", deep_supervision=True)
    with FlopCounterMode(display=False) as counter:
        build_network(network)(torch.zeros(1, 1, *PATCH))
    assert forward_operations(network, PATCH) == counter.get_total_flops()


def test_an_estimate_is_the_same_every_time_and_grows_with_the_work():
    estimate = EstimatedSteps(CPU, "32")
    one = estimate(unet(), PATCH, 1)
    assert one == estimate(unet(), PATCH, 1) > 0
    assert estimate(unet(), PATCH, 3) == pytest.approx(3 * one)
    assert estimate(unet(features=[8, 16]), PATCH, 1) > 2 * one


@pytest.mark.parametrize("options", [{}, {"deep_supervision": True}, {"outputs": 1}], ids=str)
def test_a_step_is_timed_once_and_then_known(tmp_path, monkeypatch, options):
    measure = MeasuredSteps(CPU, "32", tmp_path)
    seconds = measure(unet(**options), PATCH, 2)
    assert 0 < seconds < math.inf
    (kept,) = (tmp_path / "step_seconds").iterdir()
    assert json.loads(kept.read_text())["seconds"] == seconds
    monkeypatch.setattr(MeasuredSteps, "timed", lambda *_: 1000.0)
    assert measure(unet(**options), PATCH, 2) == seconds
    assert measure(unet(**options), PATCH, 3) == 1000  # another batch, another patch, other arithmetic: other steps
    assert measure(unet(**options), (16, 16, 8), 2) == 1000
    assert MeasuredSteps(CPU, "bf16", tmp_path)(unet(**options), PATCH, 2) == 1000
    kept.write_text("{")
    assert measure(unet(**options), PATCH, 2) == 1000


def test_timing_leaves_the_draws_of_the_training_alone(tmp_path):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    MeasuredSteps(CPU, "32", tmp_path)(unet(), PATCH, 1)
    assert torch.equal(torch.rand(3), wanted)


def test_a_network_that_cannot_be_built_is_an_error_as_in_the_training(tmp_path):
    with pytest.raises(UsageError):
        MeasuredSteps(CPU, "32", tmp_path)(unet(features=[4]), PATCH, 1)
