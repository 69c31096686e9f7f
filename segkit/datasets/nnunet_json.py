"""A data set in nnU-Net's terms: labels numbered 0, 1, 2 ... and what its `dataset.json` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.labels import BACKGROUND, IGNORE, IGNORED, Labels
from segkit.foundation.errors import UsageError

ENDING = ".nii.gz"
CT, AS_STORED, COLOUR = "CT", "noNorm", "rgb_to_0_1"
OWN_WORDS = (CT.lower(), AS_STORED.lower(), COLOUR, "rescale_0_1")  # names from which nnU-Net takes a normalisation


@dataclass(frozen=True, eq=False)
class Numbering:
    """The labels of a data set as nnU-Net wants them: the background 0, all others consecutive, `ignore` the highest.

    Attributes:
        values: stored class to nnU-Net's value, shape (256,), uint8.
        labels: name to value, or to the values of a region.
        region_order: the value that each region writes; None where labels are no regions.
    """

    values: NDArray[np.uint8]
    labels: dict[str, int | list[int]]
    region_order: list[int] | None


def numbering(labels: Labels) -> Numbering:
    """Number the labels of a data set for nnU-Net.

    Raises:
        UsageError: when a region holds the background, or a label that is not the background is called so.

    Source: MIC-DKFZ/nnUNet, nnunetv2/utilities/label_handling/label_handling.py.
    """
    background, *foreground = labels.members
    empty = {labels.stored[value] for value in labels.members[background]}
    held = [name for name in foreground if empty & {labels.stored[value] for value in labels.members[name]}]
    if held:
        raise UsageError(f"data.labels: nnU-Net cannot hold {held[0]}, which has a value of the background too")
    classes = sorted({number for value, number in labels.stored.items() if value != labels.ignore} - empty)
    values = np.zeros(IGNORED + 1, np.uint8)
    values[classes] = range(1, len(classes) + 1)
    values[IGNORED] = len(classes) + 1  # without an ignored value no stored class has this number
    names: dict[str, int | list[int]] = {BACKGROUND: 0}
    for name in foreground:
        members = sorted({int(values[labels.stored[value]]) for value in labels.members[name]})
        names[name] = members if len(members) > 1 else members[0]
    if labels.ignore is not None:
        names[IGNORE] = len(classes) + 1
    order = [int(values[labels.stored[value]]) for value in labels.region_order]
    return Numbering(values, names, order or None)


def channel_words(channels: Mapping[str, Channel]) -> list[str]:
    """Return what nnU-Net calls each array channel; from the name it takes the normalisation."""
    words = []
    for name, channel in channels.items():
        if channel.family == "rgb":
            words += [COLOUR] * channel.width
        elif channel.family in ("ct", "none"):
            words.append(CT if channel.family == "ct" else AS_STORED)
        else:
            words.append("zscore" if name.casefold() in OWN_WORDS else name)
    return words


def described(name: str, channels: Mapping[str, Channel], numbered: Numbering, training: int) -> dict[str, Any]:
    """Return what `dataset.json` holds.

    Args:
        name: of the data set.
        channels: in order.
        numbered: its labels.
        training: how many cases have images in imagesTr.
    """
    order = {} if numbered.region_order is None else {"regions_class_order": numbered.region_order}
    return {
        "name": name,
        "channel_names": {str(number): word for number, word in enumerate(channel_words(channels))},
        "labels": numbered.labels,
        **order,
        "numTraining": training,
        "file_ending": ENDING,
    }
