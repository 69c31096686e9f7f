from dataclasses import replace

import numpy as np
import torch
from streams import EXACT, PLAN, random_image, small_network, stream_of, whole_logits
from torch import nn

from segkit.inference.mirroring import flippable_axes, flips_of, left_right_axis, swapped_inputs


class SideOfBrightness(nn.Module):
    """Class 1 where it is bright on the low half of the first axis, class 2 where it is bright on the high half."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        low = (torch.arange(x.shape[2])[:, None, None] < x.shape[2] / 2).float() * x
        return torch.cat([torch.full_like(x, 0.5), low, x - low], dim=1) * self.scale


def test_flips_average_and_swap_sided_classes():
    scan = np.zeros((1, 8, 8, 8), np.float16)
    scan[0, 1] = 1
    scan[0, 6, :4] = 1
    options = replace(EXACT, mirror="full")
    sided = {"flips": (0, 1, 2), "swapped": [0, 2, 1]}
    plain = whole_logits(stream_of(SideOfBrightness(), scan, **sided))
    flipped = whole_logits(stream_of(SideOfBrightness(), scan, options=options, **sided))
    # The rule itself is symmetric once sides swap, so averaging over flips changes nothing.
    assert np.allclose(plain, flipped, atol=1e-6)
    unswapped = whole_logits(stream_of(SideOfBrightness(), scan, options=options, flips=(0,)))
    assert not np.allclose(plain, unswapped, atol=0.1)


def test_light_flips_are_each_axis_alone():
    network, image = small_network(), random_image((8, 8, 8))
    plain = whole_logits(stream_of(network, image))
    alone = [np.flip(whole_logits(stream_of(network, np.flip(image, axis + 1).copy())), axis + 1) for axis in range(3)]
    light = whole_logits(stream_of(network, image, options=replace(EXACT, mirror="light"), flips=(0, 1, 2)))
    assert np.allclose(light, np.mean([plain, *alone], axis=0), atol=1e-5)


def test_axes_that_may_be_flipped():
    assert flips_of("full", ()) == [()]
    assert len(flips_of("full", (0, 1, 2))) == 8
    assert flips_of("light", (0, 2)) == [(), (0,), (2,)]
    assert flips_of("light", ()) == flips_of("none", (0, 1, 2)) == [()]
    assert left_right_axis(PLAN) == 0
    assert left_right_axis(replace(PLAN, orientation="PIR")) == 2
    assert flippable_axes(replace(PLAN, dims=2, patch=(8, 1, 8)), [0, 1]) == (0, 2)
    assert flippable_axes(replace(PLAN, orientation=None), [0, 2, 1]) == ()


def test_an_earlier_masks_classes_swap_with_the_sides():
    assert swapped_inputs(4, 0, [0, 1, 2]) == [0, 1, 2, 3]
    assert swapped_inputs(5, 3, [0, 2, 1, 3]) == [0, 1, 3, 2, 4]
