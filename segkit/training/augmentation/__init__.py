"""Augmentation where the network lives: parameters drawn per sample, applied to the whole batch at once."""

from segkit.training.augmentation.intensities import Brightness, Contrast, Gamma, GaussianBlur, GaussianNoise
from segkit.training.augmentation.pipeline import Augmentation
from segkit.training.augmentation.spatial import SpatialWarp
from segkit.training.augmentation.transform import BatchTransform

__all__ = [
    "Augmentation",
    "BatchTransform",
    "Brightness",
    "Contrast",
    "Gamma",
    "GaussianBlur",
    "GaussianNoise",
    "SpatialWarp",
]
