"""Many scans, one mask each: finished ones are kept, one bad scan never stops the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from segkit.config.rules import plain_rules
from segkit.foundation.console import error, progress, say
from segkit.foundation.errors import SegkitError, StoppedError, UsageError
from segkit.foundation.hashing import value_hash
from segkit.foundation.machine import memory_used
from segkit.inference.model import Mask, Model, Ready
from segkit.preparation.disk import size_text
from segkit.preparation.store import content_hash
from segkit.runs.manifest import Manifest, read_manifest, write_manifest
from segkit.volumes.reading import one_line
from segkit.volumes.selection import Location, without_folders

SUFFIXES = {"nifti": ".nii.gz", "nrrd": ".nrrd", "metaimage": ".mha", "png": ".png", "tiff": ".tif"}
OWN_FORMATS = {"nifti": "nifti", "nrrd": "nrrd", "metaimage": "metaimage", "tiff": "tiff", "picture": "png"}


@dataclass
class Cohort:
    """What became of the scans.

    Attributes:
        masks: case name to mask file.
        reused: how many of them were there already.
        failed: case name to the reason.
    """

    masks: dict[str, Path]
    reused: int
    failed: dict[str, str]


def predict_cohort(model: Model, scans: Mapping[str, Mapping[str, Location]], output: Path, export: str) -> Cohort:
    """Segment scans into a folder and keep `predictions.json` beside the masks.

    Args:
        model: what segments.
        scans: case name to its images by channel.
        output: folder of the masks.
        export: a format of `SUFFIXES`, or `auto` for each scan's own (NIfTI where segkit does not write it).

    Returns:
        masks and failures. A case whose inputs, model and settings are those of a mask in the folder is not redone.
    """
    weights = [record.weights for record in model.records]
    settings = value_hash([weights, asdict(model.options), export, plain_rules(model.rules)])
    before = read_manifest(output)
    # A folder's manifest speaks of one model: masks of another one are no longer listed.
    manifest = Manifest(model.record.labels, weights, dict(before.cases) if before.weights == weights else {})
    cohort, announced = Cohort({}, 0, manifest.failed), set[tuple[int, int]]()
    for name, images in progress(scans.items(), len(scans), "segmenting"):
        try:
            key = value_hash([settings, {channel: content_hash(path) for channel, path in images.items()}])
            kept = before.mask(output, name) if before.cases.get(name, {}).get("key") == key else None
            cohort.masks[name] = kept or segment_to(model, name, images, output, export, announced)
            cohort.reused += kept is not None
            manifest.cases[name] = {"mask": cohort.masks[name].name, "key": key}
        except StoppedError:
            raise
        except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
            known = isinstance(problem, SegkitError | OSError)
            reason = one_line(problem) if known else f"{type(problem).__name__}: {one_line(problem)}"
            manifest.failed[name] = without_folders(reason, (place.parent for place in images.values()))
            manifest.cases.pop(name, None)
            error(f"{name}: {reason}")
        write_manifest(output, manifest)
    return cohort


def segment_to(
    model: Model,
    name: str,
    images: Mapping[str, Location],
    output: Path,
    export: str,
    announced: set[tuple[int, int]],
) -> Path:
    """Segment one scan into a folder.

    Args:
        model: what segments.
        name: of the case.
        images: of the scan by channel.
        output: folder of the mask.
        export: a format of `SUFFIXES`, or `auto`.
        announced: windows and pieces of scans whose memory was told; those of this one are added.

    Raises:
        DataError: when the scan cannot be used.
        UsageError: when its mask would replace the scan itself.
    """
    ready = model.ready(dict(images))
    if (ready.work.windows, ready.work.pieces) not in announced:
        announced.add((ready.work.windows, ready.work.pieces))
        say(f"{name}: {memory_line(ready)}")
    mask = model.mask_of(ready)
    path = output / f"{name}{suffix_for(mask, export)}"
    files = [image for image in images.values() if isinstance(image, Path)]
    if any(path.exists() and path.samefile(file) for file in files):
        raise UsageError(f"the mask would replace the scan {path}; choose another output")
    return mask.save(path)


def memory_line(ready: Ready) -> str:
    """Say what memory a mask will take."""
    now, most = memory_used()
    mask = math.prod(ready.scan.grid.shape)
    windows, pieces = ready.work.windows, ready.work.pieces
    how = f"{windows} window{'s' * (windows > 1)} at once" + (f", rows in {pieces} pieces" if pieces > 1 else "")
    in_all = max(most, now + ready.work.bytes + mask)
    return f"{size_text(ready.work.bytes)} for logits and networks ({how}), at most {size_text(in_all)} in all"


def suffix_for(mask: Mask, export: str) -> str:
    """Return the suffix of a mask's file."""
    if export == "auto":
        export = OWN_FORMATS.get(mask.scan.source.format or "", "nifti")
    return SUFFIXES[export]
