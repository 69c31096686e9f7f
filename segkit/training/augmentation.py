"""What a batch goes through before the network, drawn from each sample's own counter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from segkit.config.labels import IGNORED
from segkit.foundation.counted import generator, seed_from

FLIPS, TRANSFORMS = 1, 2  # which of a sample's independent streams


@dataclass(frozen=True)
class Augmentation:
    """Flips, then MONAI dictionary transforms, sample by sample.

    Attributes:
        transforms: a MONAI `Compose` over the keys `image` and `reference`; None: none.
        mirror: probability of a flip along each axis.
        flip_axes: spatial axes that may be flipped.
        left_right: the spatial axis along which sided labels swap, or None.
        swapped: for each class the one that takes its place under a left-right flip.
        seed: of every draw.
    """

    transforms: Callable[[dict[str, Any]], dict[str, Any]] | None
    mirror: float
    flip_axes: tuple[int, ...]
    left_right: int | None
    swapped: tuple[int, ...]
    seed: int

    def __call__(self, images: Tensor, references: Tensor, counters: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: (N, C, *size) float32.
            references: (N, *size) classes.
            counters: (step, index) of each sample.

        Returns:
            both, of the same shapes and types.
        """
        pairs = [
            self.augmented(image, reference, tuple(counter))
            for image, reference, counter in zip(images, references, counters, strict=True)
        ]
        return torch.stack([image for image, _ in pairs]), torch.stack([reference for _, reference in pairs])

    def augmented(self, image: Tensor, reference: Tensor, counter: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Augment one sample, image (C, *size) and reference (*size)."""
        draw = generator(self.seed, *counter, FLIPS)
        flips = [axis for axis in self.flip_axes if draw.random() < self.mirror]
        if flips:
            image, reference = image.flip([axis + 1 for axis in flips]), reference.flip(flips)
        if self.left_right in flips:
            reference = self.swapped_table(reference)[reference.long()]
        if self.transforms is None:
            return image, reference
        return self.transformed(image, reference, seed_from(self.seed, *counter, TRANSFORMS))

    def swapped_table(self, like: Tensor) -> Tensor:
        """Return the class that takes the place of each of 0..255; what is no class, as ignored voxels, stays."""
        every = [*self.swapped, *range(len(self.swapped), IGNORED + 1)]
        return torch.as_tensor(every, dtype=like.dtype, device=like.device)

    def transformed(self, image: Tensor, reference: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Send one sample through MONAI's door and back as plain tensors."""
        from monai.data import MetaTensor
        from monai.transforms import Randomizable

        if isinstance(self.transforms, Randomizable):
            self.transforms.set_random_state(seed=seed)
        # Transforms that draw from PyTorch's global generator (Kornia's do) get a fork of it, seeded by the counter.
        with torch.random.fork_rng(devices=[image.device] if image.device.type == "cuda" else []):
            torch.manual_seed(seed)
            result = self.transforms({"image": image, "reference": reference[None].float()})  # type: ignore[misc]
        plain = {key: v.as_tensor() if isinstance(v, MetaTensor) else v for key, v in result.items()}
        return plain["image"].contiguous(), plain["reference"][0].round().to(reference.dtype)
