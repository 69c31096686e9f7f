"""Logits and targets to compare."""

import math

import pytest
import torch


@pytest.fixture
def batch():
    """Random logits and classes of a seed and a shape (N, K, *size)."""

    def make(seed, shape=(2, 3, 4, 5, 6)):
        draw = torch.Generator().manual_seed(seed)
        return torch.randn(shape, generator=draw), torch.randint(shape[1], (shape[0], *shape[2:]), generator=draw)

    return make


@pytest.fixture
def three_voxels():
    """Logits and classes of three voxels.

    Probabilities of the foreground are 1/4, 3/4 and 1/2, its reference 0, 1 and 1. So it has shared 5/4, predicted
    6/4, referred 2, false positives 1/4 and false negatives 3/4; the background has shared 3/4, predicted 6/4,
    referred 1, false positives 3/4 and false negatives 1/4.
    """
    log3 = math.log(3)
    return torch.tensor([[[0.0, 0.0, 0.0], [-log3, log3, 0.0]]]), torch.tensor([[0, 1, 1]])


def regions_of(classes):
    """Turn three classes into two nested regions."""
    return torch.stack([classes > 0, classes == 2], dim=1).to(torch.uint8)


@pytest.fixture
def regions():
    return regions_of
