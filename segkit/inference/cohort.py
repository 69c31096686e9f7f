"""Many scans, one mask each: finished ones are kept, one bad scan never stops the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segkit.config.options import ObjectOptions
from segkit.config.shard import Shard
from segkit.foundation.console import progress_bar
from segkit.foundation.locks import lock
from segkit.inference.assembly_line import AssemblyLine
from segkit.inference.cohort_table import write_cases
from segkit.inference.exporters import standard_objects
from segkit.inference.mask_folder import MaskFolder
from segkit.inference.model import Model
from segkit.runs.manifest import lock_of, read_manifest
from segkit.volumes.selection import Location

ENDING_SECONDS = 60.0  # that a command which was asked to stop has for the masks in the making


@dataclass
class Cohort:
    """What became of the scans.

    Attributes:
        masks: case name to mask file.
        reused: how many of them were there already.
        failed: case name to the reason.
        trained: names of the cases whose scan trained the model.
    """

    masks: dict[str, Path]
    reused: int
    failed: dict[str, str]
    trained: list[str] = field(default_factory=list)


def predict_cohort(
    model: Model,
    scans: Mapping[str, Mapping[str, Location]],
    output: Path,
    wanted: str | Sequence[str],
    shard: Shard | None = None,
    objects: ObjectOptions | None = None,
) -> Cohort:
    """Segment scans into a folder and keep `predictions.json` and a table of all cases beside the masks.

    Args:
        model: what segments.
        scans: case name to its images by channel.
        output: folder of the masks.
        wanted: names of exporters, or `auto` for each scan's own format.
        shard: of jobs that share the folder, the one that these scans are for; None where there is only one.
        objects: what DICOM objects are like; None takes `conf/objects/standard.yaml`.

    Returns:
        masks and failures. A case whose inputs, model and settings are those of a mask in the folder is not redone.

    Raises:
        UsageError: when no exporter is called so.
        SegkitError: when another process goes on segmenting into the folder.
    """
    if not scans:
        return Cohort({}, 0, {})
    # Whoever was asked to stop still lists what it has made: done later, that would undo what we list.
    with lock(lock_of(output, shard), doing=f"segmenting into {output}", timeout=ENDING_SECONDS):
        folder = MaskFolder(model, output, wanted, objects or standard_objects(), scans if shard else None, shard)
        line = _segmented(model, scans, folder)
        write_cases(output, read_manifest(output), model.scores.flagged if model.scores else 0)
    masks = {name: output / line.entries[name]["mask"] for name in scans if name in line.entries}
    return Cohort(masks, line.reused, folder.register.manifest.failed, folder.trained)


def _segmented(model: Model, scans: Mapping[str, Mapping[str, Location]], folder: MaskFolder) -> AssemblyLine:
    """Segment scans; what was made of them is listed however that ends."""
    try:
        with progress_bar(len(scans), "segmenting") as advance:
            line = AssemblyLine(model, folder, advance)
            line.run(scans)
    finally:
        folder.register.close()
    return line
