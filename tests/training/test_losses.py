import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.losses import DiceLoss

from segkit.config.labels import IGNORED
from segkit.training.losses import DiceCrossEntropy, of_classes, of_regions, soft_dice, supervised


def random_batch(seed, shape=(2, 3, 4, 5, 6)):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw), torch.randint(shape[1], (shape[0], *shape[2:]), generator=draw)


def test_two_voxels_by_hand():
    # Two voxels, two classes, probabilities 3/4 for the right class each.
    logits = torch.tensor([[[math.log(3.0), 0.0], [0.0, math.log(3.0)]]])
    classes = torch.tensor([[0, 1]])
    # Foreground: overlap 3/4, sizes (1/4 + 3/4) + 1; Dice = 2 * 0.75 / 2.
    assert of_classes(logits, classes)[0].item() == pytest.approx(0.75, abs=1e-4)
    assert DiceCrossEntropy()(logits, classes).item() == pytest.approx(0.25 - math.log(0.75), abs=1e-4)
    assert DiceCrossEntropy(dice_weight=0, cross_entropy_weight=2)(logits, classes).item() == pytest.approx(
        -2 * math.log(0.75), abs=1e-5
    )


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (3, 4, 7, 8), (1, 2, 3, 3)])
def test_equal_to_monai_and_pytorch(shape):
    logits, classes = random_batch(0, shape)
    dice = DiceLoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
    expected = dice(logits, classes[:, None]) + torch.nn.functional.cross_entropy(logits, classes)
    assert DiceCrossEntropy()(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)


@given(st.integers(0, 10_000))
def test_soft_dice_lies_in_its_bounds_and_is_one_for_the_reference(seed):
    logits, classes = random_batch(seed, (1, 3, 4, 4))
    certain = torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()
    dice = soft_dice(logits.softmax(1), certain, torch.tensor(True))
    assert ((dice >= 0) & (dice <= 1)).all()
    assert soft_dice(certain, certain, torch.tensor(True)).tolist() == pytest.approx([1, 1, 1])


def test_regions_by_hand():
    # One voxel, two regions, probabilities 3/4 and 1/4; it belongs to the first.
    logits = torch.tensor([[[math.log(3.0)], [-math.log(3.0)]]])
    regions = torch.tensor([[[1], [0]]], dtype=torch.uint8)
    dice, cross_entropy = of_regions(logits, regions)
    assert dice.tolist() == pytest.approx([2 * 0.75 / 1.75, 0], abs=1e-4)
    assert cross_entropy.item() == pytest.approx(-math.log(0.75), abs=1e-5)


def test_regions_are_equal_to_monai_and_pytorch():
    logits, classes = random_batch(5)
    regions = torch.stack([classes > 0, classes == 1, classes == 2], dim=1).to(torch.uint8)
    expected = DiceLoss(sigmoid=True, batch=True)(
        logits, regions
    ) + torch.nn.functional.binary_cross_entropy_with_logits(logits, regions.float())
    assert DiceCrossEntropy()(logits, regions).item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("as_regions", [False, True])
def test_ignored_voxels_count_nowhere(as_regions):
    logits, classes = random_batch(6, (1, 3, 4, 6))
    target = torch.stack([classes == 0, classes == 1, classes == 2], dim=1).long() if as_regions else classes
    seen = DiceCrossEntropy()(logits[..., :4], target[..., :4])
    target[..., 4:] = IGNORED
    logits.requires_grad_(True)
    loss = DiceCrossEntropy()(logits, target)
    assert loss.item() == pytest.approx(seen.item(), abs=1e-5)
    loss.backward()
    assert not logits.grad[..., 4:].any()
    nothing = DiceCrossEntropy()(logits, torch.full_like(target, IGNORED))
    assert torch.isfinite(nothing)


def test_gradient_is_finite_where_a_class_is_absent():
    logits, classes = random_batch(1)
    logits.requires_grad_(True)
    DiceCrossEntropy()(logits, torch.zeros_like(classes)).backward()
    assert torch.isfinite(logits.grad).all()


def test_computes_in_float32_under_autocast():
    logits, classes = random_batch(2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = DiceCrossEntropy()(logits.bfloat16(), classes)
    assert loss.dtype == torch.float32


def test_deep_supervision_weighs_the_levels_by_halves():
    logits, classes = random_batch(3, (1, 2, 4, 4))
    coarse = torch.nn.functional.interpolate(classes[:, None].float(), (2, 2), mode="nearest-exact")[:, 0].long()
    coarse_logits = random_batch(4, (1, 2, 2, 2))[0]
    loss = DiceCrossEntropy()
    expected = 2 / 3 * loss(logits, classes) + 1 / 3 * loss(coarse_logits, coarse)
    assert supervised(loss, [logits, coarse_logits], classes).item() == pytest.approx(expected.item(), abs=1e-6)
    assert supervised(loss, logits, classes).item() == pytest.approx(loss(logits, classes).item())
