from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from segkit.config.labels import IGNORED, labels_from
from segkit.config.options import InferenceOptions
from segkit.foundation.errors import UsageError
from segkit.networks import UNet
from segkit.training.building import build_optimizer
from segkit.training.callbacks import AveragedWeights
from segkit.training.losses import DiceCrossEntropy
from segkit.training.module import Segmentation, in_regions, region_table
from segkit.training.patches import Patches
from segkit.training.schedules import Polynomial
from segkit.training.validation import Validator


def segmentation(plan, cases, **options):
    torch.manual_seed(0)
    network = UNet(in_channels=1, out_channels=2, dims=3, features=[4, 8], strides=plan.strides, **options)
    references = {case.name: case.reference for case in cases}
    labels = labels_from({"background": 0, "ball": 1})
    inference = InferenceOptions(overlap=0.5, mirror="none", windows=2, memory="1GB", skip_empty=False, precision="32")
    return Segmentation(
        network,
        loss=DiceCrossEntropy(),
        optimizer=build_optimizer({"_target_": "torch.optim.SGD", "lr": 0.5}),
        schedule=Polynomial(),
        validator=Validator(plan, inference, labels, flips=(), swapped=[0, 1], references=references),
    )


def trainer(tmp_path, steps, **options):
    return pl.Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=1, use_distributed_sampler=False, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        val_check_interval=steps, check_val_every_n_epoch=None, num_sanity_val_steps=0, **options,
    )  # fmt: skip


def test_lightnings_own_trainer_trains_and_validates(balls, tmp_path):
    cases, plan, prepared = balls
    module = segmentation(plan, cases, deep_supervision=True)
    before = [weight.clone() for weight in module.parameters()]
    patches = Patches(prepared[:3], prepared[3:], plan, seed=0, foreground=0.5)
    run = trainer(tmp_path, 4)
    run.fit(module, patches)
    assert run.global_step == 4
    assert 0 <= float(run.callback_metrics["dice"]) <= 1
    assert "dice_ball" in run.callback_metrics
    assert any(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))
    # The last step's rate is the schedule's at three steps of four.
    assert run.optimizers[0].param_groups[0]["lr"] == 0.5 * Polynomial()(0.75)


def test_a_trainer_that_counts_epochs(balls, tmp_path):
    cases, plan, prepared = balls
    module, patches, watch = segmentation(plan, cases), Patches(prepared, [], plan, seed=0, foreground=0.5), Watch()
    module.validator = None
    options = {
        "accelerator": "cpu", "use_distributed_sampler": False, "logger": False, "enable_checkpointing": False,
        "enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": tmp_path,
        "limit_val_batches": 0, "callbacks": [watch],
    }  # fmt: skip
    run = pl.Trainer(max_epochs=2, limit_train_batches=2, reload_dataloaders_every_n_epochs=1, **options)
    run.fit(module, patches)
    assert [step for step, _ in watch.samples] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert run.optimizers[0].param_groups[0]["lr"] == 0.5 * Polynomial()(0.75)
    with pytest.raises(UsageError, match="give Trainer max_steps=N, or Segmentation progress"):
        pl.Trainer(max_epochs=1, **options).fit(module, patches)
    with pytest.raises(UsageError, match="every epoch would see the patches of the first"):
        pl.Trainer(max_epochs=2, limit_train_batches=2, **options).fit(module, patches)


def test_averaged_weights_follow_the_formula(balls, tmp_path):
    cases, plan, prepared = balls
    module, seen = segmentation(plan, cases), []

    class Watch(pl.Callback):
        def on_train_batch_end(self, trainer, module, *_):
            seen.append(next(module.parameters()).detach().clone())

    patches = Patches(prepared, prepared[:1], plan, seed=0, foreground=0.5)
    trainer(tmp_path, 3, callbacks=[AveragedWeights(0.99), Watch()]).fit(module, patches)
    average = seen[0]
    for updates, weights in enumerate(seen[1:], start=1):
        decay = min(0.99, (1 + updates) / (10 + updates))
        average = decay * average + (1 - decay) * weights
    assert torch.allclose(next(module.parameters()), average, atol=1e-6)


def test_classes_become_regions_by_hand():
    membership = np.array([[0, 1, 1], [0, 0, 1]], dtype=bool)
    regions = in_regions(torch.tensor([[0, 1, 2, IGNORED]]), region_table(membership))
    assert regions.tolist() == [[[0, 1, 1, IGNORED], [0, 0, 1, IGNORED]]]


def test_a_network_of_regions_trains(balls, tmp_path):
    cases, plan, prepared = balls
    module = segmentation(plan, cases)
    module.region_table = region_table(np.array([[0, 1], [0, 1]], dtype=bool))
    module.validator = None
    trainer(tmp_path, 2).fit(module, Patches(prepared, [], plan, seed=0, foreground=1.0))


class MeanSquares(torch.nn.Module):
    """A mean over samples: the mean over two halves of a batch is that over the batch."""

    def forward(self, logits, target):
        return ((logits[:, 1] - target) ** 2).mean()


class Watch(pl.Callback):
    """Keeps which samples a training saw, and the gradients of its first steps."""

    def __init__(self):
        self.samples, self.gradients = [], []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.samples += map(tuple, batch["counter"].tolist())

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.gradients.append([weight.grad.clone() for weight in module.parameters()])


def test_accumulating_two_batches_of_one_is_one_batch_of_two(balls, tmp_path):
    cases, plan, prepared = balls
    watched = {}
    for accumulate in (1, 2):
        module, watch = segmentation(plan, cases), Watch()
        module.loss, module.validator = MeanSquares(), None
        patches = Patches(prepared, [], replace(plan, batch=2 // accumulate), seed=0, foreground=0.5)
        run = trainer(tmp_path, 3, callbacks=[watch], accumulate_grad_batches=accumulate)
        run.fit(module, patches)
        assert run.global_step == 3
        watched[accumulate] = watch
    assert watched[1].samples == watched[2].samples
    for whole, parts in zip(watched[1].gradients, watched[2].gradients, strict=True):
        for one, two in zip(whole, parts, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-5)
