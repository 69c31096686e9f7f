"""Patches per second of the default augmentation beside batchgeneratorsv2 and MONAI, one core, one run, in turn.

    python scripts/benchmarks/augmentation.py [--size 128] [--patches 60] [--rounds 5] [--peer PYTHON]

All three get the same patches of 3 classes and the recipe of nnU-Net with the same firing probabilities; references are
resampled linearly (one-hot). `--peer` names the Python of an environment that has batchgeneratorsv2 and PyTorch, where
that is not installed beside segkit: python -m venv E && E/bin/pip install batchgeneratorsv2. Printed are medians over
the rounds and each peer's seconds over segkit's.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

CONTENDERS = ("segkit", "batchgeneratorsv2", "monai")
CLASSES = 3
Augment = Callable[[Any, Any, int], Any]


def patch(size: int) -> tuple[Any, Any]:
    """Return an image (1, *size) and a reference of nested balls (*size)."""
    import numpy as np
    import torch

    grid = np.stack(np.meshgrid(*[np.arange(size) - size / 2] * 3, indexing="ij")).astype(np.float32)
    radius = np.sqrt((grid**2).sum(0))
    reference = ((radius < size / 3).astype(np.uint8) + (radius < size / 6)).astype(np.uint8)
    image = reference + np.random.default_rng(0).normal(0, 0.5, reference.shape)
    return torch.from_numpy(image.astype(np.float32))[None], torch.from_numpy(reference)


def of_segkit(size: int) -> Augment:
    from segkit.config.compose import configure
    from segkit.foundation.building import build
    from segkit.training.augmentation import Augmentation

    config = configure("train", ["data=paired", "data.root=/", "training.steps=1", "augmentation.mirror=0.5"])
    steps = tuple(build(each) for each in config.augmentation.transforms)
    spacing, mirror = (1.0, 1.0, 1.0), config.augmentation.mirror
    augmentation = Augmentation(steps, mirror, (0, 1, 2), None, tuple(range(CLASSES)), spacing, 0)
    return lambda image, reference, number: augmentation(image[None], reference[None], [(number, 0)])


def of_batchgeneratorsv2(size: int) -> Augment:
    import torch
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.contrast import BGContrast, ContrastTransform
    from batchgeneratorsv2.transforms.intensity.gamma import GammaTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.low_resolution import SimulateLowResolutionTransform
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from batchgeneratorsv2.transforms.utils.random import RandomTransform

    def sometimes(transform: Any, probability: float) -> Any:
        return RandomTransform(transform, apply_probability=probability)

    angle = 30 / 360 * 2 * 3.14159265
    recipe = ComposeTransforms(
        [
            SpatialTransform(
                (size,) * 3, patch_center_dist_from_border=0, random_crop=False, p_elastic_deform=0, p_rotation=0.2,
                rotation=(-angle, angle), p_scaling=0.2, scaling=(0.7, 1.4), p_synchronize_scaling_across_axes=1,
            ),
            sometimes(GaussianNoiseTransform((0, 0.1), p_per_channel=1, synchronize_channels=True), 0.1),
            sometimes(GaussianBlurTransform((0.5, 1.0), False, False, p_per_channel=0.5), 0.2),
            sometimes(MultiplicativeBrightnessTransform(BGContrast((0.75, 1.25)), False, 1), 0.15),
            sometimes(ContrastTransform(BGContrast((0.75, 1.25)), True, False, 1), 0.15),
            sometimes(SimulateLowResolutionTransform((0.5, 1), False, True, (), None, 0.5), 0.25),
            sometimes(GammaTransform(BGContrast((0.7, 1.5)), 1, False, 1, 1), 0.1),
            sometimes(GammaTransform(BGContrast((0.7, 1.5)), 0, False, 1, 1), 0.3),
            MirrorTransform((0, 1, 2)),
        ]
    )  # fmt: skip
    return lambda image, reference, _: recipe(image=image.clone(), segmentation=reference[None].to(torch.int16))


def of_monai(size: int) -> Augment:
    import torch
    from monai import transforms as monai

    both, image_only, angle = ["image", "reference"], ["image"], 3.14159265 / 6
    recipe = monai.Compose(
        [
            monai.RandAffined(
                both, prob=0.36, rotate_range=[angle] * 3, scale_range=[(-0.3, 0.4)] * 3, mode=["bilinear", "bilinear"],
                padding_mode="zeros",
            ),
            monai.RandGaussianNoised(image_only, prob=0.1, std=0.3),
            monai.RandGaussianSmoothd(image_only, (0.5, 1), (0.5, 1), (0.5, 1), prob=0.1),
            monai.RandScaleIntensityd(image_only, factors=0.25, prob=0.15),
            monai.RandAdjustContrastd(image_only, prob=0.15, gamma=(0.75, 1.25)),
            monai.RandSimulateLowResolutiond(image_only, prob=0.125, zoom_range=(0.5, 1)),
            monai.RandAdjustContrastd(image_only, prob=0.1, gamma=(0.7, 1.5), invert_image=True, retain_stats=True),
            monai.RandAdjustContrastd(image_only, prob=0.3, gamma=(0.7, 1.5), retain_stats=True),
            *(monai.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(3)),
        ]
    )  # fmt: skip

    def augment(image: Any, reference: Any, _: int) -> Any:
        one_hot = torch.nn.functional.one_hot(reference.long(), CLASSES).movedim(-1, 0).float()
        result = recipe({"image": image.clone(), "reference": one_hot})
        return result["image"], result["reference"].argmax(0)

    return augment


MAKERS: dict[str, Callable[[int], Augment]] = {
    "segkit": of_segkit,
    "batchgeneratorsv2": of_batchgeneratorsv2,
    "monai": of_monai,
}


def measure(contender: str, size: int, patches: int) -> None:
    """Augment patches in this process and print the seconds for each."""
    import torch

    torch.set_num_threads(1)
    image, reference = patch(size)
    augment = MAKERS[contender](size)
    for number in range(8):  # whatever compiles, compiles now
        augment(image, reference, number)
    start = time.perf_counter()
    for number in range(patches):
        augment(image, reference, number)
    print(json.dumps((time.perf_counter() - start) / patches))


def run(contender: str, options: argparse.Namespace) -> float:
    python = options.peer if contender == "batchgeneratorsv2" and options.peer else sys.executable
    command = [python, __file__, "--measure", contender, "--size", str(options.size), "--patches", str(options.patches)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return float(printed.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--patches", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", help="the Python that has batchgeneratorsv2")
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.size, options.patches)
        return
    seconds: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for _ in range(options.rounds):
        for contender in CONTENDERS:
            seconds[contender].append(run(contender, options))
    own = statistics.median(seconds["segkit"])
    print(f"{options.size}^3 patches, {options.patches} a round, one core, medians of {options.rounds} rounds")
    for contender, each in seconds.items():
        median = statistics.median(each)
        print(f"{contender:18} {1000 * median:8.1f} ms {1 / median:8.1f} patches/s {median / own:6.1f} x segkit's time")


if __name__ == "__main__":
    main()
