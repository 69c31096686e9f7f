"""What every loss looks at: the probabilities of a network beside the reference, and which voxels count."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.config.labels import IGNORED
from segkit.training.ranks import sum_of, world


@dataclass(frozen=True)
class Comparison:
    """Logits and target, made comparable.

    Attributes:
        probabilities: (N, K, *size), softmax of classes or sigmoid of regions.
        reference: (N, K, *size), whether a voxel is of the class or in the region; False where it does not count.
        counted: which voxels count, (N, 1, *size) of classes, (N, K, *size) of regions.
        surprise: -log of the probability given to what is so, in nats, shape of `counted`; 0 where a voxel does not
            count. Its mean over counted voxels is the cross-entropy.
        exclusive: whether the channels are classes of which a voxel has one, the first of them the background.
    """

    probabilities: Tensor
    reference: Tensor
    counted: Tensor
    surprise: Tensor
    exclusive: bool

    @property
    def foreground(self) -> slice:
        """The channels that overlap is measured on: all but the background."""
        return slice(1, None) if self.exclusive else slice(None)

    @property
    def is_foreground(self) -> Tensor:
        """Whether the reference has any foreground class, or the region, at a voxel; shape of `counted`."""
        return self.reference[:, 1:].any(dim=1, keepdim=True) if self.exclusive else self.reference

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over counted voxels of what is 0 at others, shape of `counted`; 0 where none counts."""
        # Where several processes share a batch, the mean over them of what each returns is that of the whole batch.
        counted = sum_of(self.counted.sum()) / world()
        return values.sum() / counted.clamp(min=1 / world())


class Loss(nn.Module, ABC):
    """A loss on logits, in float32 whatever the network computes in.

    Shape:
        logits (N, K, *size) with classes (N, *size) of integers 0..K-1 (softmax), or with regions (N, K, *size) of 0
        and 1 (sigmoid each); in 2D and 3D. Voxels of 255 count nowhere. The result is a scalar.
    """

    def __init__(self) -> None:  # stands here for the check of configs: nn.Module's own would take any argument
        super().__init__()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        with torch.autocast(logits.device.type, enabled=False):
            # Float64 stays, for checks of gradients.
            return self.of(compare(logits.to(torch.promote_types(logits.dtype, torch.float32)), target))

    @abstractmethod
    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""


def compare(logits: Tensor, target: Tensor) -> Comparison:
    """Compare logits (N, K, *size) with regions (N, K, *size), or with classes (N, *size)."""
    return _with_regions(logits, target) if target.dim() == logits.dim() else _with_classes(logits, target)


def _with_classes(logits: Tensor, target: Tensor) -> Comparison:
    log_probabilities = logits.log_softmax(dim=1)
    classes = target.long()
    surprise = functional.nll_loss(log_probabilities, classes, ignore_index=IGNORED, reduction="none")
    every = torch.arange(logits.shape[1], device=target.device).view(-1, *[1] * (logits.dim() - 2))
    return Comparison(
        probabilities=log_probabilities.exp(),
        reference=classes[:, None] == every,  # no class is 255: `labels_from` ends at 254
        counted=(classes != IGNORED)[:, None],
        surprise=surprise[:, None],
        exclusive=True,
    )


def _with_regions(logits: Tensor, target: Tensor) -> Comparison:
    counted = target != IGNORED
    reference = counted & (target != 0)
    surprise = functional.binary_cross_entropy_with_logits(logits, reference.to(logits.dtype), reduction="none")
    return Comparison(logits.sigmoid(), reference, counted, surprise * counted, exclusive=False)
