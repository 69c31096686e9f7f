"""`segkit inspect data=NAME`: what the network will see, augmented training patches with their references."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from segkit.commands.preparing import Study, prepare_study
from segkit.config.commands import InspectConfig
from segkit.config.labels import swapped_classes
from segkit.config.targets import check_signatures
from segkit.foundation.console import paths_written, say
from segkit.foundation.files import check_writable
from segkit.inference.mirroring import as_images
from segkit.preparation.grids import cropped
from segkit.preparation.intensity_transforms import portable
from segkit.reports.contact_sheet import Tile, write_sheet
from segkit.reports.patches_page import write_patches_page
from segkit.training.building import build_augmentation
from segkit.training.sampling import PatchDataset
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

SHEET, PAGE = "patches.png", "patches.html"


@dataclass(frozen=True, eq=False)
class Patch:
    """One training patch as the network gets it.

    Attributes:
        case: its case's name.
        image: augmented, shape (C, X, Y, Z); slices beside its own are channels.
        classes: stored classes, shape (X, Y, Z).
        grid: where it was cut from; augmentation turns and scales within it.
    """

    case: str
    image: NDArray[np.float32]
    classes: NDArray[np.uint8]
    grid: Grid


def inspect(config: InspectConfig) -> Path:
    """Write the first patches that a training would see: a contact sheet, as PNG and as HTML, and each as NIfTI.

    Returns:
        the folder of `patches.png`, `patches.html` and the NIfTI files.

    Raises:
        UsageError: when the config does not hold together.
        CasesFailedError: when cases cannot be used.
    """
    check_signatures(config)
    config = portable(config)
    output = Path(config.output) if config.output else Path(config.paths.runs) / config.data.name / "inspect"
    check_writable(output)
    study = prepare_study(config)
    patches = list(training_patches(config, study))
    names = [f"{index}. {patch.case}" for index, patch in enumerate(patches)]
    own = study.plan.neighbours  # the place of a slice among those that are seen beside it
    tiles = [Tile(name, patch.image[own], patch.classes) for name, patch in zip(names, patches, strict=True)]
    write_sheet(tiles, class_names(study), output / SHEET)
    write_patches_page(tiles, class_names(study), config.data.name, output / PAGE)
    for index, patch in enumerate(patches):
        write(Volume(patch.image, patch.grid), output / f"{index:02}_{patch.case}_image.nii.gz")
        write(Volume(patch.classes[None], patch.grid), output / f"{index:02}_{patch.case}_reference.nii.gz")
    labelled = sum(bool(patch.classes.any()) for patch in patches)
    say(f"{len(patches)} patches of {len({patch.case for patch in patches})} cases; {labelled} of them hold a label")
    paths_written([output / SHEET, output / PAGE, output])
    return output


def training_patches(config: InspectConfig, study: Study) -> Iterator[Patch]:
    """Yield the very patches that the first steps of a training with this config and seed would see."""
    plan = study.plan
    sampled = PatchDataset(
        study.of("training"), plan.patch, config.seed, config.training.foreground, neighbours=plan.neighbours
    )
    swapped = swapped_classes(study.labels, study.dataset.options.mirrored)
    augment = build_augmentation(config.augmentation.of(long=plan.long), plan, swapped, config.seed)
    flat = plan.slice_axis
    for number in range(config.patches):
        sample = divmod(number, plan.batch)
        case, start = sampled.drawn(sample)
        patch = sampled[sample]
        image, classes = torch.from_numpy(patch["image"]).float(), torch.from_numpy(patch["reference"])
        if flat is not None:
            image, classes = as_images(image[None], flat)[0], classes.squeeze(flat)
        image, classes = (part[0] for part in augment(image[None], classes[None], [sample]))
        if flat is not None:
            image, classes = image.unsqueeze(flat + 1), classes.unsqueeze(flat)
        box = tuple(slice(int(first), int(first) + size) for first, size in zip(start, plan.patch, strict=True))
        yield Patch(case.name, image.numpy(), classes.numpy(), cropped(case.grid, box))


def class_names(study: Study) -> list[str]:
    """Return the name of each stored class but the background; of regions, the values."""
    if not study.labels.is_regions:
        return list(study.labels.foreground)
    values = sorted(study.labels.stored.items(), key=lambda stored: stored[1])
    return [str(value) for value, place in values if 0 < place < study.labels.classes]
