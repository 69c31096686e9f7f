"""The memory that training on a patch takes, as the planner asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from segkit.config.plan import AXES, Plan
from segkit.networks.activations import Footprint, footprint
from segkit.networks.building import build_network, network_arguments, takes_patch
from segkit.preparation.patch_size import Patch

STAND_IN = {"_target_": "segkit.networks.UNet"}


class StepMemory:
    """Estimates training steps of a network on patches of any size; each pyramid of levels is looked at once.

    Args:
        network: its yaml.
        outputs: logits a voxel.
        plan: its dimensions and channels count; patch and levels are those asked for.
        on_gpu: whether the network computes in bf16 on a GPU, else in float32.
    """

    def __init__(self, network: Mapping[str, Any], outputs: int, plan: Plan, *, on_gpu: bool) -> None:
        self.network, self.outputs, self.plan, self.on_gpu = network, outputs, plan, on_gpu
        self.of_stand_in = False
        self.own_size = takes_patch(network)  # one that is built for one size is looked at for each
        self._seen: dict[Any, Footprint] = {}

    def bytes_of(self, patch: Patch, batch: int) -> int:
        """Return the estimated peak of a training step in bytes.

        Raises:
            UsageError: when the network cannot be built for these levels.
        """
        key = patch if self.own_size else patch.pyramid
        if key not in self._seen:
            self._seen[key] = self._look(patch)
        return self._seen[key].step_bytes(patch.voxels, batch, on_gpu=self.on_gpu)

    def _look(self, patch: Patch) -> Footprint:
        dtype = torch.bfloat16 if self.on_gpu else torch.float32
        channels = self.plan.network_width
        try:
            return footprint(lambda: self._built(self.network, patch), channels, patch.sizes, dtype)
        except RuntimeError:  # the network computes with values, of which there are none here
            self.of_stand_in = True
            return footprint(lambda: self._built(STAND_IN, patch), channels, patch.sizes, dtype)

    def _built(self, network: Mapping[str, Any], patch: Patch) -> nn.Module:
        sizes = (1,) * (AXES - len(patch.sizes)) + patch.sizes
        plan = replace(self.plan, patch=sizes, strides=patch.pyramid.strides, kernels=patch.pyramid.kernels)
        return build_network(network_arguments(network, plan, out_channels=self.outputs))
