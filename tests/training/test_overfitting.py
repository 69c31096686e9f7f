import torch

from segkit.training.overfitting import overfit
from segkit.training.patches import Patches
from tests.training.test_module import segmentation


def one_batch(balls):
    _, plan, prepared = balls
    return next(iter(Patches(prepared, [], plan, seed=0, foreground=1.0).train_dataloader()))


def test_one_batch_is_learnt_by_heart(balls):
    cases, plan, _ = balls
    module = segmentation(plan, cases)
    module.validator = None
    learnt = overfit(module, one_batch(balls), steps=300, device=torch.device("cpu"))
    assert learnt.is_enough
    assert learnt.steps < 300


def test_what_cannot_be_learnt_is_told(balls):
    cases, plan, _ = balls
    module = segmentation(plan, cases)
    batch = one_batch(balls)
    batch["image"] = torch.zeros_like(batch["image"])
    learnt = overfit(module, batch, steps=20, device=torch.device("cpu"))
    assert not learnt.is_enough
    assert learnt.steps == 20
