"""Every formula on three voxels, in numbers written out."""

import math

import pytest
import torch

from segkit.config.labels import IGNORED
from segkit.training.losses import (
    Boundary,
    CentrelineDice,
    Combo,
    Dice,
    DiceCrossEntropy,
    DiceFocal,
    Focal,
    FocalTversky,
    GeneralisedDice,
    TopKCrossEntropy,
    Tversky,
    UnifiedFocal,
    compare,
)

A, B = math.log(4 / 3), math.log(2)  # the surprise of the first two voxels and of the third

EXPECTED = {
    "dice": (Dice(), 1 - 2.5 / 3.5),
    "squared dice": (Dice(squared=True), 1 - 2.5 / (14 / 16 + 2)),
    "dice + cross-entropy": (DiceCrossEntropy(), 1 - 2.5 / 3.5 + (2 * A + B) / 3),
    "cross-entropy": (DiceCrossEntropy(dice_weight=0, cross_entropy_weight=2), 2 * (2 * A + B) / 3),
    # Weights 1 and 1/4: the background is half as large.
    "generalised dice": (GeneralisedDice(), 1 - 2 * (0.75 + 1.25 / 4) / (2.5 + 3.5 / 4)),
    "tversky": (Tversky(false_positives=0.3, false_negatives=0.7), 1 - 1.25 / (1.25 + 0.3 * 0.25 + 0.7 * 0.75)),
    "focal tversky": (FocalTversky(gamma=2), math.sqrt(1 - 1.25 / (1.25 + 0.3 * 0.25 + 0.7 * 0.75))),
    "focal": (Focal(gamma=2), (A / 16 + A / 16 + B / 4) / 3),
    "weighted focal": (Focal(gamma=2, alpha=0.25), (0.75 * A / 16 + 0.25 * A / 16 + 0.25 * B / 4) / 3),
    "dice + focal": (DiceFocal(focal_weight=3), 1 - 2.5 / 3.5 + A / 16 + A / 16 + B / 4),
    "combo": (Combo(alpha=0.25, beta=0.7), 0.25 * (0.3 * A + 0.7 * A + 0.7 * B) / 3 + 0.75 * (1 - 2.5 / 3.5)),
    "worst voxel": (TopKCrossEntropy(share=0.34), B),
    "worst two voxels": (TopKCrossEntropy(share=0.67), (A + B) / 2),
    # Distances are 1, 0 and -1.
    "boundary": (Boundary(boundary_weight=2, region_weight=0), 2 * (0.25 * 1 + 0.75 * 0 - 0.5 * 1) / 3),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_three_voxels(name, three_voxels):
    loss, expected = EXPECTED[name]
    assert loss(*three_voxels).item() == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("name", EXPECTED)
def test_ignored_voxels_leave_three(name, three_voxels):
    loss, expected = EXPECTED[name]
    logits, classes = three_voxels
    logits = torch.cat((logits, torch.tensor([[[-5.0, 7.0], [6.0, 2.0]]])), dim=2)
    classes = torch.cat((classes, torch.full((1, 2), IGNORED)), dim=1)
    if name == "boundary":  # what is ignored lies outside: the third voxel is at the boundary now, at 0
        expected = 2 * 0.25 / 3
    assert loss(logits, classes).item() == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("asymmetric", [False, True])
def test_unified_focal(asymmetric, three_voxels):
    # Indices: background 0.75 / (0.75 + 0.4 * 0.75 + 0.6 * 0.25), foreground 1.25 / (1.25 + 0.4 * 0.25 + 0.6 * 0.75).
    behind, before = 1 - 0.75 / 1.2, 1 - 1.25 / 1.8
    if asymmetric:
        cross_entropy = (0.4 * A * 0.25**0.3 + 0.6 * A + 0.6 * B) / 3
        tversky = (behind + before**0.7) / 2
    else:
        cross_entropy = (0.4 * A * 0.25**0.3 + 0.6 * A * 0.25**0.3 + 0.6 * B * 0.5**0.3) / 3
        tversky = (behind**0.7 + before**0.7) / 2
    loss = UnifiedFocal(focal_weight=0.2, delta=0.6, gamma=0.3, asymmetric=asymmetric)
    assert loss(*three_voxels).item() == pytest.approx(0.2 * cross_entropy + 0.8 * tversky, abs=1e-5)


def test_a_region_is_a_foreground_and_what_is_outside(three_voxels):
    # The sigmoid of the logits' difference is the softmax: one region reads as two classes.
    logits, classes = three_voxels
    for asymmetric in (False, True):
        loss = UnifiedFocal(asymmetric=asymmetric)
        as_region = loss(logits[:, 1:] - logits[:, :1], classes[:, None])
        assert as_region.item() == pytest.approx(loss(logits, classes).item(), abs=1e-5)


def test_two_regions():
    # One voxel, two regions, probabilities 3/4 and 1/4; it belongs to the first.
    logits = torch.tensor([[[math.log(3.0)], [-math.log(3.0)]]])
    regions = torch.tensor([[[1], [0]]], dtype=torch.uint8)
    assert compare(logits, regions).surprise.flatten().tolist() == pytest.approx([A, A])
    dice = (2 * 0.75 / 1.75 + 0) / 2
    assert DiceCrossEntropy()(logits, regions).item() == pytest.approx(1 - dice + A, abs=1e-4)
    assert GeneralisedDice()(logits, regions).item() == pytest.approx(1 - 2 * 0.75 / (1.75 + 0.25), abs=1e-4)
    assert Focal(alpha=0.25)(logits, regions).item() == pytest.approx((0.25 + 0.75) * A / 16 / 2, abs=1e-6)


def test_dice_of_each_sample(three_voxels):
    logits, classes = three_voxels
    both = torch.cat((logits, logits.flip(1))), torch.cat((classes, classes))
    # The second sample's foreground has probabilities 3/4, 1/4 and 1/2.
    assert Dice()(*both).item() == pytest.approx(1 - 2 * (1.25 + 0.75) / (3.5 + 3.5), abs=1e-5)
    assert Dice(per_sample=True)(*both).item() == pytest.approx(1 - (2.5 / 3.5 + 1.5 / 3.5) / 2, abs=1e-5)


def test_centreline_dice_of_a_line():
    # A line of five voxels, each predicted by 1/2: its skeleton is itself, and half of it is found.
    reference = torch.zeros(1, 3, 5, dtype=torch.long)
    reference[:, 1] = 1
    foreground = torch.where(reference == 1, 0.0, -100.0)
    logits = torch.stack((torch.zeros_like(foreground), foreground), dim=1)
    sensitivity = (2.5 + 1) / (5 + 1)
    expected = 1 - 2 * sensitivity / (1 + sensitivity)
    assert CentrelineDice(centreline_weight=1)(logits, reference).item() == pytest.approx(expected, abs=1e-5)
    mixed = 0.7 * (1 - 5 / 7.5) + 0.3 * expected
    assert CentrelineDice(centreline_weight=0.3)(logits, reference).item() == pytest.approx(mixed, abs=1e-5)
