"""Fingerprint to plan: spacing, patch, batch, levels, normalisation, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from segkit.config.channels import Channel
from segkit.config.options import PlanOptions
from segkit.config.plan import AXES, Normalisation, Plan, leaves_features
from segkit.foundation.memory_size import memory_bytes
from segkit.networks.building import halvings
from segkit.networks.unet import FEATURES
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.normalisation import check_schemes, normalisation_of, scheme_for
from segkit.preparation.reasons import CONFIGURED, reasons
from segkit.preparation.sizing import Sizing
from segkit.preparation.standard_scale import PERCENTS
from segkit.preparation.step_memory import StepMemory
from segkit.preparation.target_spacing import target_grid_of


def make_plan(
    fingerprint: Fingerprint,
    options: PlanOptions,
    *,
    channels: Mapping[str, Channel],
    network: Mapping[str, Any],
    outputs: int,
    transforms: Sequence[Mapping[str, Any]],
    on_scan: Sequence[Mapping[str, Any]] = (),
    previous: int = 0,
) -> Plan:
    """Plan a data set.

    Args:
        fingerprint: of the training cases.
        options: what is decided already; its memory is not `auto`.
        channels: of the data set.
        network: its yaml; its features bound the levels, and its activations the patch.
        outputs: logits a voxel.
        transforms: MONAI intensity transforms that follow the normalisation.
        on_scan: those of scans as they are stored; the fingerprint saw scans so.
        previous: classes of an earlier stage's mask that the network is shown.

    Returns:
        the plan, with a reason for each choice.

    Raises:
        UsageError: when an option names what does not exist, or the memory is too small for any patch.
        DataError: when a scheme needs labelled voxels and there are none.
    """
    normalisation, schemes = normalisations(fingerprint, options.normalisation, channels)
    open_features = FEATURES if leaves_features(network) else None
    # Where the plan decides the channels of each level, memory is reckoned with the most that it may choose.
    network = {**network, "features": FEATURES} if open_features else network
    full = target_grid_of(fingerprint, options)
    draft = Plan(
        dims=options.dims,
        orientation=options.orientation,
        spacing=full.of_plan,
        patch=(1,) * AXES,
        batch=1,
        strides=(),
        kernels=(),
        normalisation=normalisation,
        order=options.order,
        onto={name: channel.onto for name, channel in channels.items() if channel.onto},
        on_scan=tuple(dict(transform) for transform in on_scan),
        transforms=tuple(dict(transform) for transform in transforms),
        features=open_features,
        previous=previous,
        neighbours=options.neighbours or 0,
    )
    steps = StepMemory(network, outputs, draft, on_gpu=memory_bytes(options.memory) is not None)
    cases = len(fingerprint.shapes)
    fixed = halvings(network)
    sized = Sizing(options, steps, len(network.get("features", FEATURES)), fixed).choose(full, cases)
    sizes = iter(sized.patch.sizes)
    plan = replace(
        draft,
        spacing=sized.grid.of_plan,
        patch=tuple(1 if axis == full.slice_axis else next(sizes) for axis in range(AXES)),
        batch=sized.batch,
        strides=sized.patch.pyramid.strides,
        kernels=sized.patch.pyramid.kernels,
    )
    why = reasons(plan, options, sized, cases=cases, schemes=schemes, of_stand_in=steps.of_stand_in)
    if fixed is not None:
        why |= {"strides": f"the network halves every axis {fixed} times", "kernels": "the network's own"}
    return replace(plan, reasons=why)


def normalisations(
    fingerprint: Fingerprint, wanted: Mapping[str, str], channels: Mapping[str, Channel]
) -> tuple[dict[str, Normalisation], dict[str, str]]:
    """Return the normalisation of each channel and the reason for it.

    Raises:
        UsageError: when `wanted`, the schemes that were configured, names what does not exist.
        DataError: when a scheme needs labelled voxels and there are none.
    """
    check_schemes(wanted, channels)
    chosen, why = {}, {}
    ends = np.cumsum([channel.width for channel in channels.values()])[:-1]
    parts = zip(np.split(fingerprint.foreground, ends), np.split(fingerprint.percentiles, ends, axis=1), strict=True)
    for (name, channel), (values, percentiles) in zip(channels.items(), parts, strict=True):
        scheme, reason = scheme_for(channel, fingerprint.kept, values.size)
        scheme, reason = (wanted[name], CONFIGURED) if name in wanted else (scheme, reason)
        chosen[name], why[name] = (
            normalisation_of(scheme, channel.width, values, percentiles[:, :1].reshape(-1, len(PERCENTS))),
            f"{scheme}: {reason}",
        )
    return chosen, why
