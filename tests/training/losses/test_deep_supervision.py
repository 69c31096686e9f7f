import pytest
import torch

from segkit.training.losses import DiceCrossEntropy, at_size, supervised


def test_the_levels_weigh_by_halves(batch):
    logits, classes = batch(3, (1, 2, 4, 4))
    coarse = torch.nn.functional.interpolate(classes[:, None].float(), (2, 2), mode="nearest-exact")[:, 0].long()
    coarse_logits = batch(4, (1, 2, 2, 2))[0]
    loss = DiceCrossEntropy()
    expected = 2 / 3 * loss(logits, classes) + 1 / 3 * loss(coarse_logits, coarse)
    assert supervised(loss, [logits, coarse_logits], classes).item() == pytest.approx(expected.item(), abs=1e-6)
    assert supervised(loss, logits, classes).item() == pytest.approx(loss(logits, classes).item())


def test_a_target_keeps_its_type_and_its_axes(regions):
    classes = torch.arange(16).view(1, 4, 4) % 3
    coarse = torch.zeros(1, 2, 2, 2)
    assert at_size(classes, coarse).shape == (1, 2, 2)
    assert at_size(regions(classes), coarse).dtype == torch.uint8
