"""`FILE.onnx`: the network alone, for runtimes that know neither segkit nor PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.labels import labels_from
from segkit.foundation.console import say
from segkit.foundation.errors import DataError, MissingExtraError
from segkit.foundation.files import atomic_file
from segkit.foundation.plain import to_json
from segkit.inference.packages import PackageFormat, Packing, only_network
from segkit.runs.model_file import ModelRecord

if TYPE_CHECKING:
    from torch import nn

NEEDED = ("onnx", "onnxscript", "onnxruntime")
IMAGE, LOGITS, BATCH = "image", "logits", "batch"
TRACED, CHECKED = 2, (1, 3)  # patches in a batch: those with which it is traced, and with which it is checked
LARGEST_DIFFERENCE = 1e-3  # of a logit; float32 in another order of summation stays below 1e-4


def write(packing: Packing, output: Path) -> None:
    """Write the network as ONNX and compare what onnxruntime makes of it with PyTorch.

    The graph takes `image` (N, C, *patch), prepared as the metadata says, to `logits` (N, K, *patch), N free. Where the
    network sees neighbouring slices, C counts them: all of the first channel, then all of the next.

    Raises:
        UsageError: when there are several networks.
        MissingExtraError: when onnx, onnxscript or onnxruntime is missing.
        DataError: when the network cannot be exported, or a logit differs by more than 1e-3; nothing is written then.
    """
    only_network(packing, "ONNX")
    missing = next((package for package in NEEDED if find_spec(package) is None), None)
    if missing:
        raise MissingExtraError(missing, "onnx", f"writing {output.name}")
    import onnx

    record, network = packing.model.record, packing.model.networks[0]
    graph = exported(network, record)
    graph.doc_string = packing.card
    onnx.helper.set_model_props(graph, metadata(record))
    with atomic_file(output) as temporary:
        onnx.save_model(graph, temporary)
        difference = largest_difference(network, temporary, record)
        if not difference <= LARGEST_DIFFERENCE:
            raise DataError(
                f"{output}: onnxruntime's logits differ from PyTorch's by {difference:.1e}, more than "
                f"{LARGEST_DIFFERENCE:g}: this network cannot be packed as ONNX"
            )
    say(f"onnxruntime and PyTorch differ by at most {difference:.1e} in a logit")


def exported(network: nn.Module, record: ModelRecord) -> Any:
    """Return the network as an ONNX model, with a free batch axis and the plan's patch.

    Raises:
        DataError: when PyTorch cannot export it.
    """
    import torch

    batch = torch.zeros((TRACED, record.plan.network_width, *record.plan.network_patch))
    free = ({0: torch.export.Dim(BATCH, min=1)},)
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                network, (batch,), dynamo=True, input_names=[IMAGE], output_names=[LOGITS], dynamic_shapes=free,
                verbose=False,
            )  # fmt: skip
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(f"{record.network_name} cannot be exported as ONNX: {reason}") from error
    if program is None:
        raise DataError(f"{record.network_name} cannot be exported as ONNX")
    graph = program.model_proto
    # What the exporter notes beside each node names files of this machine.
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.input, *graph.graph.output, graph.graph):
        del part.metadata_props[:]
    return graph


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep the exporter's remarks about its own parts from the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def metadata(record: ModelRecord) -> dict[str, str]:
    """Return what whoever runs the graph must know, as JSON by key: how scans are prepared, what outputs stand for."""
    plan, labels = record.plan, labels_from(record.labels, record.region_order)
    known = {
        "name": record.name,
        "labels": record.labels,
        "outputs": list(labels.foreground if labels.is_regions else labels.members),
        "outputs_are": "regions, each where its logit is above 0" if labels.is_regions else "classes, the largest wins",
        "mask_values": labels.mask_values,
        "region_order": record.region_order,
        "mirrored": record.mirrored,
        "orientation": plan.orientation,
        "spacing_mm": plan.spacing,
        "patch": plan.patch,
        "dims": plan.dims,
        "slices_of_each_channel": plan.slices,
        "interpolation_order": plan.order,
        "normalisation": {name: asdict(how) for name, how in plan.normalisation.items()},
        "onto": plan.onto,
        "on_scan": plan.on_scan,
        "transforms": plan.transforms,
        "weights_sha256": record.weights,
        "segkit": record.segkit,
    }
    return {key: to_json(value) for key, value in known.items()}


def largest_difference(network: nn.Module, path: Path, record: ModelRecord) -> float:
    """Return how far a logit of onnxruntime is from PyTorch's at most, for seeded noise in batches of two sizes."""
    import numpy as np
    import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    draw, worst = np.random.default_rng(0), 0.0
    for count in CHECKED:
        image = draw.standard_normal((count, record.plan.network_width, *record.plan.network_patch), np.float32)
        (theirs,) = session.run([LOGITS], {IMAGE: image})
        with torch.inference_mode():
            ours = network(torch.from_numpy(image)).numpy()
        if ours.shape != theirs.shape or not np.isfinite(theirs).all():
            return float("inf")
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


PACKAGE = PackageFormat(suffix=".onnx", write=write)
