"""Each loss against an implementation by others; where conventions differ the comparison says how."""

import pytest
from monai import losses as monai
from monai.losses.unified_focal_loss import AsymmetricFocalLoss, AsymmetricFocalTverskyLoss
from torch.nn import functional

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

CLASSES = {"softmax": True, "to_onehot_y": True, "include_background": False}
SHAPES = [(2, 3, 4, 5, 6), (3, 4, 7, 8), (1, 2, 5, 5)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@every_shape
def test_dice_and_cross_entropy(shape, batch):
    logits, classes = batch(0, shape)
    expected = monai.DiceLoss(batch=True, **CLASSES)(logits, classes[:, None])
    assert Dice()(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)
    expected = expected + functional.cross_entropy(logits, classes)
    assert DiceCrossEntropy()(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)


@every_shape
def test_dice_of_samples_and_of_squares(shape, batch):
    logits, classes = batch(1, shape)
    for options, theirs in (({"per_sample": True}, {"batch": False}), ({"squared": True}, {"batch": True})):
        squared = options.get("squared", False)
        expected = monai.DiceLoss(**theirs, **CLASSES, squared_pred=squared)(logits, classes[:, None])
        assert Dice(**options)(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)


def test_regions(batch, regions):
    logits, classes = batch(2)
    logits, target = logits[:, :2], regions(classes)
    dice = monai.DiceLoss(sigmoid=True, batch=True)(logits, target)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, target.float())
    assert DiceCrossEntropy()(logits, target).item() == pytest.approx((dice + cross_entropy).item(), abs=1e-5)
    expected = monai.TverskyLoss(sigmoid=True, batch=True, alpha=0.2, beta=0.8)(logits, target)
    assert Tversky(0.2, 0.8)(logits, target).item() == pytest.approx(expected.item(), abs=1e-4)
    # Of classes MONAI's leaves the background out of the focal part too; of regions both mean the same.
    expected = monai.DiceFocalLoss(sigmoid=True, batch=True, gamma=2, lambda_focal=3)(logits, target.float())
    assert DiceFocal(focal_weight=3)(logits, target).item() == pytest.approx(expected.item(), abs=1e-5)


@every_shape
def test_generalised_dice(shape, batch):
    # MONAI's smooth terms are of another weight beside its absolute inverse squares: none here.
    theirs = monai.GeneralizedDiceLoss(softmax=True, to_onehot_y=True, batch=True, smooth_nr=0, smooth_dr=0)
    logits, classes = batch(3, shape)
    assert GeneralisedDice()(logits, classes).item() == pytest.approx(theirs(logits, classes[:, None]).item(), abs=1e-5)
    # An absent class weighs as much as the smallest that is there, in both.
    classes = classes.clamp(max=shape[1] - 2)
    if shape[1] > 2:
        expected = theirs(logits, classes[:, None]).item()
        assert GeneralisedDice()(logits, classes).item() == pytest.approx(expected, abs=1e-5)


@every_shape
def test_tversky(shape, batch):
    logits, classes = batch(4, shape)
    theirs = monai.TverskyLoss(alpha=0.3, beta=0.7, batch=True, reduction="none", **CLASSES)(logits, classes[:, None])
    assert Tversky()(logits, classes).item() == pytest.approx(theirs.mean().item(), abs=1e-4)
    assert FocalTversky(gamma=1.5)(logits, classes).item() == pytest.approx(
        (theirs ** (1 / 1.5)).mean().item(), abs=1e-4
    )


@every_shape
@pytest.mark.parametrize("alpha", [None, 0.25])
def test_focal(shape, alpha, batch, regions):
    logits, classes = batch(5, shape)
    # MONAI takes the mean over channels too, of which all but a voxel's own class are 0: K times less.
    theirs = monai.FocalLoss(use_softmax=True, to_onehot_y=True, include_background=True, gamma=2, alpha=alpha)
    expected = shape[1] * theirs(logits, classes[:, None])
    assert Focal(alpha=alpha)(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)
    logits, target = logits[:, :2], regions(classes)
    expected = monai.FocalLoss(gamma=2, alpha=alpha)(logits, target.float())
    assert Focal(alpha=alpha)(logits, target).item() == pytest.approx(expected.item(), abs=1e-5)


def test_asymmetric_unified_focal(batch):
    # MONAI's takes probabilities of two classes, means the focal part over them (half of the authors' code), and
    # means Tversky over samples: one here.
    logits, classes = batch(6, (1, 2, 6, 7))
    loss, seen = UnifiedFocal(delta=0.7, gamma=0.4), compare(logits, classes)
    cross_entropy = AsymmetricFocalLoss(to_onehot_y=True, delta=0.7, gamma=0.4)
    tversky = AsymmetricFocalTverskyLoss(to_onehot_y=True, delta=0.7, gamma=0.4)
    expected = 2 * cross_entropy(logits.softmax(1), classes[:, None])
    assert loss.cross_entropy(seen).item() == pytest.approx(expected.item(), abs=1e-5)
    expected = tversky(logits.softmax(1), classes[:, None])
    assert loss.tversky(seen).item() == pytest.approx(expected.item(), abs=1e-5)
    both = monai.AsymmetricUnifiedFocalLoss(to_onehot_y=True, weight=0.5, delta=0.7, gamma=0.4)
    expected = both(logits.softmax(1), classes[:, None]) + loss.cross_entropy(seen) / 4
    assert loss(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)


def test_combo_is_the_papers_formula_of_two_classes(batch):
    logits, classes = batch(7, (2, 2, 6, 7))
    p, t = logits.softmax(1)[:, 1], classes.float()
    weighted = -(0.7 * t * p.log() + 0.3 * (1 - t) * (1 - p).log()).mean()
    dice = 2 * (p * t).sum() / (p.sum() + t.sum())
    expected = 0.4 * weighted - 0.6 * dice + 0.6
    assert Combo(alpha=0.4, beta=0.7)(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0, 1e-9])
def test_top_k_is_nnunets(share, batch):
    logits, classes = batch(8)
    losses = functional.cross_entropy(logits, classes, reduction="none").flatten()
    expected = losses.topk(max(1, int(len(losses) * share))).values.mean()
    assert TopKCrossEntropy(share)(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)


@every_shape
def test_boundary(shape, batch):
    logits, classes = batch(9, shape)
    classes[0] = 0  # in both a class that a sample lacks adds nothing
    expected = monai.BoundaryLoss(**CLASSES)(logits, classes[:, None])
    loss = Boundary(boundary_weight=1, region_weight=0)
    assert loss(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)
    with_region = Boundary(boundary_weight=0.01)(logits, classes)
    assert with_region.item() == pytest.approx(
        0.01 * expected.item() + GeneralisedDice()(logits, classes).item(), abs=1e-5
    )


@pytest.mark.parametrize("shape", [(1, 2, 9, 8), (1, 2, 6, 7, 8)], ids=str)
def test_centreline_dice(shape, batch):
    # MONAI's counts all classes of a sample together, and adds `smooth` once more: one class, one sample, none.
    logits, classes = batch(10, shape)
    expected = monai.SoftclDiceLoss(iter_=3, smooth=1e-12, **CLASSES)(logits, classes[:, None].float())
    assert CentrelineDice(1.0, iterations=3)(logits, classes).item() == pytest.approx(expected.item(), abs=1e-5)
