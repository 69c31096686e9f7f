"""`FOLDER.bundle`: a MONAI bundle, which runs with MONAI and PyTorch alone."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segkit.config.labels import labels_from, swapped_outputs
from segkit.config.plan import Plan
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import atomic_folder, write_json, write_text
from segkit.inference.packages import PackageFormat, Packing, only_network
from segkit.inference.packages._bundle_config import inference_config
from segkit.runs.environment import installed
from segkit.runs.model_file import ModelRecord

Flips = Sequence[tuple[int, ...]]

TRACED = 2  # patches in the batch with which the network is traced
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
FIRST_VERSION = "1.0.0"


def write(packing: Packing, output: Path) -> None:
    """Write a bundle: the network as TorchScript, its flips averaged inside, and all else as MONAI's transforms.

    Raises:
        UsageError: when there are several networks, channels are colour pictures, or scans are prepared in a way that
            MONAI has no words for.
        DataError: when the network cannot be traced.
        SegkitError: when the folder exists and is not empty.
    """
    from segkit.inference.mirroring import flips_of

    only_network(packing, "a MONAI bundle")
    record = packing.model.record
    if any(how.width > 1 for how in record.plan.normalisation.values()):
        raise UsageError("a MONAI bundle cannot be written for colour pictures: MONAI reads them as volumes")
    if record.plan.neighbours:
        raise UsageError("a MONAI bundle cannot be written for plan.neighbours: MONAI's windows are of one slice")
    if record.plan.on_scan:
        raise UsageError("a MONAI bundle cannot be written for preprocessing.on_scan, which comes before cropping")
    if any(how.scheme == "nyul" for how in record.plan.normalisation.values()):
        raise UsageError("a MONAI bundle cannot be written for the normalisation nyul: MONAI has no such transform")
    labels = labels_from(record.labels, record.region_order)
    swapped = swapped_outputs(labels, record.mirrored)
    flips = flips_of(packing.model.options.mirror, record.flips)
    with atomic_folder(output) as folder:
        (folder / "models").mkdir()
        write_weights(packing, folder / "models" / "model.pt")
        write_script(packing.model.networks[0], record.plan, flips, swapped, folder / "models" / "model.ts")
        write_json(folder / "configs" / "inference.json", inference_config(record.plan, labels, packing.model.options))
        write_json(folder / "configs" / "metadata.json", metadata(packing))
        write_text(folder / "docs" / "README.md", packing.card + README)


README = """
## As a MONAI bundle

With MONAI, nibabel and fire installed, in the bundle's folder, scans as NIfTI in `scans/` (of several channels
`CASE_CHANNEL.nii.gz` each):

    python -m monai.bundle run --config_file configs/inference.json --dataset_dir scans --output_dir masks

`models/model.ts` is the network as TorchScript, averaged over the flips of its training; `models/model.pt` its weights
alone, for training on. Masks are those of segkit in float32 where a scan lies on the grid that the network was trained
on. Elsewhere MONAI resamples by its own rules (its splines may overshoot, its grids are rounded otherwise), and where a
scan is larger than a window MONAI's windows may lie elsewhere: masks then differ by a few voxels along surfaces.
"""


def write_weights(packing: Packing, path: Path) -> None:
    """Write the network's parameters and buffers by name."""
    import torch

    torch.save(packing.model.networks[0].state_dict(), path)


def write_script(network: Any, plan: Plan, flips: Flips, swapped: Sequence[int], path: Path) -> None:
    """Write a network, averaged over flips, as TorchScript without the names of this machine's files.

    Args:
        network: (N, C, *size) to (N, K, *size), in evaluation mode, on the CPU.
        plan: gives the patch and the axis that a 2D network does not see.
        flips: those to average over, each the prepared axes that it turns.
        swapped: for each output the one that takes its place under a left-right flip.
        path: the file. Its network takes patches (N, C, X, Y, Z) to logits (N, K, X, Y, Z).

    Raises:
        DataError: when the network cannot be traced, or the trace computes something else.
    """
    import torch

    averaged = flip_averaged(network, plan, flips, swapped)
    patch = torch.randn((TRACED, len(plan.channels), *plan.patch), generator=torch.Generator().manual_seed(0))
    traced_path = path.with_suffix(".traced")
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # TorchScript is called deprecated; MONAI's tools know nothing newer
            traced: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
                averaged, patch[:1].expand_as(patch), check_trace=False
            )
            traced.save(str(traced_path))
            difference = float((traced(patch[1:]) - averaged(patch[1:])).abs().max())
    except Exception as error:
        raise DataError(f"the network cannot be traced as TorchScript: {' '.join(str(error).split())[:300]}") from error
    if not difference <= 1e-3:
        raise DataError(f"the network's trace differs from it by {difference:.1e} in a logit: it cannot be packed so")
    without_debug_records(traced_path, path)
    traced_path.unlink()


def flip_averaged(network: Any, plan: Plan, flips: Flips, swapped: Sequence[int]) -> Any:
    """Return a module that averages a network's logits over flips; under a left-right flip sided outputs swap.

    Shape: (N, C, X, Y, Z) to (N, K, X, Y, Z), also where the network is 2D.
    """
    import torch
    from torch import nn

    from segkit.inference.mirroring import left_right_axis, network_logits

    left_right = left_right_axis(plan)

    class FlipAveraged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, patches: torch.Tensor) -> Any:
            return sum(self.flipped(patches, axes) / len(flips) for axes in flips)

        def flipped(self, patches: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
            dims = [axis + 2 for axis in axes]
            logits = network_logits(self.network, patches.flip(dims), plan.slice_axis)
            if left_right in axes:
                logits = logits[:, list(swapped)]
            back: torch.Tensor = logits.flip(dims)
            return back

    return FlipAveraged().eval().requires_grad_(False)


def without_debug_records(source: Path, target: Path) -> None:
    """Copy a TorchScript archive without the records that name source files of this machine."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for entry in archive.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                copy.writestr(entry, archive.read(entry))


def metadata(packing: Packing) -> dict[str, Any]:
    """Return `metadata.json`."""
    record, statement = packing.model.record, packing.statement
    return {
        "schema": SCHEMA,
        "version": FIRST_VERSION,
        "changelog": {FIRST_VERSION: f"written by segkit {record.segkit}"},
        "monai_version": installed("monai"),
        "pytorch_version": (installed("torch") or "").split("+")[0],
        "numpy_version": installed("numpy"),
        "required_packages_version": {"nibabel": installed("nibabel"), "scipy": installed("scipy")},
        "name": record.name,
        "task": "segmentation",
        "description": f"{record.network_name} trained with segkit; docs/README.md has its card",
        "authors": statement.authors or "",
        "copyright": statement.licence or "",
        "intended_use": statement.intended_use or "",
        "network_data_format": data_format(record),
    }


def data_format(record: ModelRecord) -> dict[str, Any]:
    """Return what goes into the network and what comes out, in the bundle's words."""
    plan, labels = record.plan, labels_from(record.labels, record.region_order)
    common = {"type": "image", "spatial_shape": list(plan.patch), "dtype": "float32", "is_patch_data": True}
    outputs = labels.foreground if labels.is_regions else tuple(labels.members)
    return {
        "inputs": {
            "image": {
                **common, "format": "magnitude", "num_channels": len(plan.channels), "value_range": [],
                "channel_def": dict(enumerate(plan.normalisation)),
            }
        },
        "outputs": {
            "pred": {
                **common, "format": "segmentation", "num_channels": len(outputs), "value_range": [],
                "channel_def": dict(enumerate(outputs)),
            }
        },
    }  # fmt: skip


PACKAGE = PackageFormat(suffix=".bundle", write=write)
