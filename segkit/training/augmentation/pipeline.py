"""What a batch goes through before the network, drawn from each sample's own counter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from segkit.config.labels import IGNORED
from segkit.foundation.counted import generator, seed_from
from segkit.inference.mirroring import swapped_inputs
from segkit.training.augmentation.kornia_steps import is_kornias, kornia_augmented
from segkit.training.augmentation.transform import BatchTransform, Shape

FLIPS, TRANSFORMS = 1, 2  # which of a sample's independent streams
DictionaryTransform = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Augmentation:
    """Flips, then transforms in their order: ours on the whole batch, others sample by sample.

    Attributes:
        steps: each a transform of ours, a MONAI transform over the keys `image` and `reference`, or one of Kornia's.
        mirror: probability of a flip along each axis.
        flip_axes: spatial axes that may be flipped.
        left_right: the spatial axis along which sided labels swap, or None.
        swapped: for each class the one that takes its place under a left-right flip.
        spacing: mm between voxels along each axis that the network sees.
        seed: of every draw.
        previous: classes of an earlier stage's mask, which come last among the images.
        slices: of each channel that a 2D network sees, one after the other among the images; each moves and changes as
            its channel does.
    """

    steps: tuple[BatchTransform | DictionaryTransform, ...]
    mirror: float
    flip_axes: tuple[int, ...]
    left_right: int | None
    swapped: tuple[int, ...]
    spacing: tuple[float, ...]
    seed: int
    previous: int = 0
    slices: int = 1

    def __call__(self, images: Tensor, references: Tensor, counters: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: (N, C * slices, *size) float32.
            references: (N, *size) classes.
            counters: (step, index) of each sample.

        Returns:
            both, of the same shapes and types.
        """
        keys = [tuple(counter) for counter in counters]
        images, references = self.flipped(images, references, keys)
        shape = Shape(
            images.shape[1] // self.slices - self.previous, tuple(images.shape[2:]), self.spacing, self.slices
        )
        for place, step in enumerate(self.steps):
            if isinstance(step, BatchTransform):
                draws = (generator(self.seed, *key, TRANSFORMS, place) for key in keys)
                parameters = [step.draw(draw, shape) for draw in draws]
                images, references = self.applied(step, images, references, parameters)
            else:
                seeds = [seed_from(self.seed, *key, TRANSFORMS, place) for key in keys]
                pairs = [through(step, *sample) for sample in zip(images, references, seeds, strict=True)]
                images, references = (torch.stack(parts) for parts in zip(*pairs, strict=True))
        return images, references

    def applied(
        self, step: BatchTransform, images: Tensor, references: Tensor, parameters: Sequence[Any]
    ) -> tuple[Tensor, Tensor]:
        """Return a batch of the same shapes after one of our steps, which sees the slices of a channel together."""
        if self.slices == 1:
            return step.apply(images, references, parameters)
        images, references = step.apply(torch.unflatten(images, 1, (-1, self.slices)), references, parameters)
        return images.flatten(1, 2), references

    def flipped(self, images: Tensor, references: Tensor, keys: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        """Return a batch of which each sample is flipped as its own counter says; the one given is left alone."""
        flipped_images, flipped_references = [], []
        for image, reference, key in zip(images, references, keys, strict=True):
            draw = generator(self.seed, *key, FLIPS)
            flips = [axis for axis in self.flip_axes if draw.random() < self.mirror]
            sided = self.left_right in flips
            flipped_image = image.flip([axis + 1 for axis in flips]) if flips else image
            if sided and self.previous:
                flipped_image = flipped_image[swapped_inputs(len(image), self.previous, self.swapped)]
            flipped_images.append(flipped_image)
            flipped = reference.flip(flips) if flips else reference
            flipped_references.append(self.swapped_table(reference)[flipped.long()] if sided else flipped)
        return torch.stack(flipped_images), torch.stack(flipped_references)

    def swapped_table(self, like: Tensor) -> Tensor:
        """Return what takes the place of each class 0..255, shape (256,); what is none, as ignored voxels, stays."""
        every = [*self.swapped, *range(len(self.swapped), IGNORED + 1)]
        return torch.as_tensor(every, dtype=like.dtype, device=like.device)


def through(step: DictionaryTransform, image: Tensor, reference: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Send one sample, image (C, *size) and reference (*size), through the door of MONAI or Kornia and back."""
    from monai.data import MetaTensor
    from monai.transforms import Randomizable

    if isinstance(step, Randomizable):
        step.set_random_state(seed=seed)
    # Transforms that draw from PyTorch's global generator (Kornia's do) get a fork of it, seeded by the counter.
    with torch.random.fork_rng(devices=[image.device] if image.device.type == "cuda" else []):
        torch.manual_seed(seed)
        if is_kornias(step):
            return kornia_augmented(step, image, reference)
        result = step({"image": image, "reference": reference[None].float()})
    plain = {key: v.as_tensor() if isinstance(v, MetaTensor) else v for key, v in result.items()}
    return plain["image"].contiguous(), plain["reference"][0].round().to(reference.dtype)
