"""MC dropout: networks thinned at random, each of which segments a whole scan as a member of an ensemble."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from segkit.foundation.counted import seed_from
from segkit.foundation.errors import UsageError
from segkit.inference.model import Model

THINNED = 5  # the stream of what passes drop
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


class ThinnedNetwork(nn.Module):
    """A network with its dropout on, which drops the same whenever it is called.

    Every window of every scan meets one and the same thinned network, however many windows go at once.

    Args:
        network: in evaluation mode.
        seed: of what is dropped.

    Source: Gal, Ghahramani 2016, "Dropout as a Bayesian approximation", arXiv:1506.02142.
    """

    def __init__(self, network: nn.Module, seed: int) -> None:
        super().__init__()
        self.network, self.seed = network, seed

    def forward(self, batch: Tensor) -> Tensor:
        """Return logits (N, K, *size) for images (N, C, *size)."""
        return torch.cat([self.of_one(image[None]) for image in batch])

    def of_one(self, image: Tensor) -> Tensor:
        """Return the logits of one image."""
        with torch.random.fork_rng(devices=[image.device] if image.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            layers = dropout_of(self.network)
            for layer in layers:
                layer.train()
            try:
                logits: Tensor = self.network(image)
            finally:
                for layer in layers:
                    layer.eval()
        return logits


def dropout_of(network: nn.Module) -> list[nn.Module]:
    """Return the layers of a network that drop something."""
    return [layer for layer in network.modules() if isinstance(layer, DROPOUT) and layer.p > 0]


def thinned(model: Model, passes: int) -> Model:
    """Return a model of `passes` thinned networks for each of its own; 0: the model itself.

    Their logits are averaged, and their disagreement is that of an ensemble. Earlier stages of cascades stay as they
    are.

    Raises:
        UsageError: when a network drops nothing.
    """
    if not passes:
        return model
    for network, record in zip(model.networks, model.records, strict=True):
        if not dropout_of(network):
            raise UsageError(
                f"scores.passes={passes}: the network of {record.name} has no dropout, so that all passes would be "
                "alike; train one with network.dropout=0.1, or pass scores.passes=0"
            )
    places = [(index, number) for index in range(len(model.networks)) for number in range(passes)]
    return replace(
        model,
        networks=tuple(ThinnedNetwork(model.networks[place[0]], seed_from(0, THINNED, *place)) for place in places),
        records=tuple(model.records[index] for index, _ in places),
        previous=tuple(model.previous[index] for index, _ in places) if model.previous else (),
    )
