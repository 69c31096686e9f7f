from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from streams import EXACT, PLAN, random_image, small_network, stream_of, whole_logits, work_for
from torch import nn

from segkit.foundation.errors import DataError
from segkit.inference.route import route_across
from segkit.inference.streaming import finished_planes


def monais(network, image, overlap=0.5, patch=(8, 8, 8)):
    with torch.no_grad():
        batch = torch.from_numpy(image.astype(np.float32))[None]
        return sliding_window_inference(batch, patch, 2, network, overlap=overlap, mode="gaussian")[0].numpy()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_equal_to_monai_across_every_axis(axis, chunk):
    network, image = small_network(), random_image((16, 12, 20))
    ours = whole_logits(stream_of(network, image), axis, chunk=chunk)
    assert np.allclose(ours, monais(network, image), atol=1e-5)


def test_windows_without_overlap():
    network, image = small_network(), random_image((16, 8, 24))
    ours = whole_logits(stream_of(network, image, options=replace(EXACT, overlap=0.0)))
    assert np.allclose(ours, monais(network, image, overlap=0.0), atol=1e-5)


def test_an_image_smaller_than_the_window_is_padded_and_cut_back():
    network, image = small_network(), random_image((5, 8, 3))
    padded = np.pad(image, ((0, 0), (1, 2), (0, 0), (2, 3)))
    with torch.no_grad():
        theirs = network(torch.from_numpy(padded.astype(np.float32))[None])[0, :, 1:6, :, 2:5]
    for axis in range(3):
        assert np.allclose(whole_logits(stream_of(network, image), axis), theirs, atol=1e-5)


def test_a_2d_network_goes_slice_by_slice():
    flat = replace(PLAN, dims=2, patch=(8, 1, 8))
    network, image = small_network(2), random_image((8, 5, 8))
    with torch.no_grad():
        slices = [network(torch.from_numpy(image[:, :, y].astype(np.float32))[None])[0] for y in range(5)]
    for axis in range(3):
        assert np.allclose(whole_logits(stream_of(network, image, flat), axis), torch.stack(slices, 2), atol=1e-5)


@pytest.mark.parametrize("rows", [(0, 3), (2, 9), (11, 15)])
def test_some_rows_have_the_logits_that_they_have_in_the_whole(rows):
    stream = stream_of(small_network(), random_image((12, 16, 10)))
    route = route_across(0, stream.grid, stream.grid)
    assert route.source == (0, 1, 2)
    parts = finished_planes(stream, route, rows, work_for(stream, stream.grid), is_regions=False)
    some = np.concatenate([part.copy() for part in parts]).transpose(3, 0, 1, 2)
    assert np.allclose(some, whole_logits(stream)[:, :, rows[0] : rows[1] + 1], atol=1e-5)


def test_networks_of_one_plan_are_averaged():
    first, second, image = small_network(seed=0), small_network(seed=1), random_image((8, 12, 8))
    both = replace(stream_of(first, image), networks=[first, second], flips=[(), ()])
    mean = (monais(first, image) + monais(second, image)) / 2
    assert np.allclose(whole_logits(both), mean, atol=1e-5)


def test_empty_windows_are_background_and_seen_by_no_network():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen, self.one = 0, nn.Parameter(torch.ones(1))

        def forward(self, batch):
            self.seen += len(batch)
            return torch.cat([-batch, batch * 0 + 3, batch], dim=1)

    image = np.zeros((1, 8, 8, 32), np.float16)
    image[..., :6] = random_image((8, 8, 6))
    network = Counting()
    logits = whole_logits(stream_of(network, image, options=replace(EXACT, skip_empty=True)))
    assert network.seen == 2  # those that begin at 0 and 4
    assert (logits[:, ..., 12:].argmax(axis=0) == 0).all()
    assert np.allclose(logits[1, ..., :12], 3)


def test_bf16_stays_near():
    stream = stream_of(small_network(), random_image((8, 8, 8)))
    exact, rounded = whole_logits(stream), whole_logits(replace(stream, options=replace(EXACT, precision="bf16")))
    assert rounded.dtype == np.float32
    assert 1e-6 < np.abs(exact - rounded).max() < 0.1


def test_logits_that_are_not_finite_are_an_error():
    network = small_network()
    nn.init.constant_(next(network.parameters()), float("nan"))
    with pytest.raises(DataError, match="NaN"):
        whole_logits(stream_of(network, random_image((8, 8, 8))))
