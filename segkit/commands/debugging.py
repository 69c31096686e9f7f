"""`debug=fast` and `debug=overfit`: a minute's proof that a study can work, before it is given hours."""

from __future__ import annotations

from dataclasses import replace

import torch

from segkit.config.checks import EACH
from segkit.config.commands import TrainConfig
from segkit.config.data_checks import LEAVE_ONE_OUT
from segkit.config.options import AugmentationOptions
from segkit.datasets.splits import ALL
from segkit.foundation.console import say
from segkit.foundation.errors import DataError
from segkit.training.module import Segmentation
from segkit.training.overfitting import overfit
from segkit.training.patches import Patches

FAST, OVERFIT = "fast", "overfit"
FEW_CASES = 2  # of each part, with debug=fast
STEPS = 400


def debugged(config: TrainConfig) -> TrainConfig:
    """Return what `debug=fast` makes of a config: one step, one checkpoint, one validation, on a few cases.

    With `debug=overfit` augmentation is off; any other config stays as it is.
    """
    if config.debug == OVERFIT:
        plain = AugmentationOptions(mirror=0, mirror_axes=None, transforms=[])
        return replace(config, augmentation=plain, training=replace(config.training, steps=STEPS, budget=None))
    if config.debug != FAST:
        return config
    split = config.data.split
    folds = split.folds if split.folds == LEAVE_ONE_OUT or split.file else 2
    fold = "0" if config.training.fold in (ALL, EACH) and not split.file else config.training.fold
    training = replace(
        config.training, steps=1, budget=None, validate_every="1", checkpoint_every="1", fold=fold, workers=0
    )
    data = replace(config.data, split=replace(split, folds=folds))
    return replace(config, data=data, training=training)


def learn_one_batch(module: Segmentation, patches: Patches, device: torch.device) -> None:
    """Let a network learn one batch by heart and say whether it could.

    Raises:
        DataError: when its Dice does not reach 0.99.
    """
    batch = next(iter(patches.train_dataloader()))
    labelled = int((batch["reference"] > 0).sum())
    say(f"one batch of {len(batch['image'])} patches, {labelled} labelled voxels, again and again")
    learnt = overfit(module, batch, steps=STEPS, device=device)
    say(f"Dice {learnt.dice:.4f} after {learnt.steps} steps")
    if not learnt.is_enough:
        raise DataError(
            f"one batch was not learnt in {learnt.steps} steps (Dice {learnt.dice:.3f}): look at segkit inspect for "
            "references that do not fit their images, at the labels, and at optimizer.lr"
        )
