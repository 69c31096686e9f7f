"""Many scans, one mask each: finished ones are kept, one bad scan never stops the rest."""

from __future__ import annotations

import math
import time
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segkit.config.rules import plain_rules
from segkit.config.shard import Shard
from segkit.foundation.console import error, progress, say
from segkit.foundation.errors import SegkitError, StoppedError, UsageError
from segkit.foundation.hashing import value_hash
from segkit.foundation.machine import memory_used
from segkit.inference.cohort_table import write_cases
from segkit.inference.model import Mask, Model, Ready
from segkit.preparation.disk import size_text
from segkit.preparation.store import content_hash
from segkit.runs.manifest import Manifest, read_manifest, write_manifest
from segkit.volumes.reading import one_line
from segkit.volumes.selection import Location, without_folders

LIBRARIES = 60e6  # bytes that PyTorch's kernels and compiled loops take when they are first used
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


class Segmenting:
    """A folder that masks of one model go to.

    Args:
        model: what segments.
        output: the folder.
        export: a format of `SUFFIXES`, or `auto` for each scan's own (NIfTI where segkit does not write it).
    """

    def __init__(self, model: Model, output: Path, export: str) -> None:
        self.model, self.output, self.export = model, output, export
        self.weights = [record.weights for record in model.records]
        # Windows and memory say how masks are computed, not what they are.
        options = {name: value for name, value in asdict(model.options).items() if name not in ("windows", "memory")}
        earlier = [[each.weights for each in stage.records] for stage in model.previous if stage]
        self.settings = [self.weights, options, export, plain_rules(model.rules), *earlier]
        self.before = read_manifest(output)
        self._announced: set[tuple[int, int]] = set()

    def listed(self, wanted: Container[str] | None) -> dict[str, dict[str, Any]]:
        """Return what the folder lists, of some cases or of all: masks of another model are no longer listed."""
        cases = self.before.cases if self.before.weights == self.weights else {}
        return {name: entry for name, entry in cases.items() if wanted is None or name in wanted}

    def entry(self, name: str, images: Mapping[str, Location]) -> tuple[dict[str, Any], bool]:
        """Segment a scan unless its mask is there; return what the manifest says of it, and whether it was there."""
        scan = value_hash({channel: content_hash(path) for channel, path in images.items()})
        key = value_hash([self.settings, scan])
        found = self.before.cases.get(name, {})
        if found.get("key") == key and self.before.mask(self.output, name) is not None:
            return found, True
        began = time.perf_counter()
        mask = self._mask(name, images)
        path = self._save(mask, name, images)
        seconds = round(time.perf_counter() - began, 3)
        return {"mask": path.name, "key": key, "scan": scan, "seconds": seconds, "volumes": mask.volumes}, False

    def _mask(self, name: str, images: Mapping[str, Location]) -> Mask:
        ready = self.model.ready(dict(images))
        if (ready.work.windows, ready.work.pieces) not in self._announced:
            self._announced.add((ready.work.windows, ready.work.pieces))
            say(f"{name}: {memory_line(ready)}")
        return self.model.mask_of(ready)

    def _save(self, mask: Mask, name: str, images: Mapping[str, Location]) -> Path:
        path = self.output / f"{name}{suffix_for(mask, self.export)}"
        files = [image for image in images.values() if isinstance(image, Path)]
        if any(path.exists() and path.samefile(file) for file in files):
            raise UsageError(f"the mask would replace the scan {path}; choose another output")
        return mask.save(path)


def predict_cohort(
    model: Model,
    scans: Mapping[str, Mapping[str, Location]],
    output: Path,
    export: str,
    shard: Shard | None = None,
) -> Cohort:
    """Segment scans into a folder and keep `predictions.json` and a table of all cases beside the masks.

    Args:
        model: what segments.
        scans: case name to its images by channel.
        output: folder of the masks.
        export: a format of `SUFFIXES`, or `auto` for each scan's own.
        shard: of jobs that share the folder, the one that these scans are for; None where there is only one.

    Returns:
        masks and failures. A case whose inputs, model and settings are those of a mask in the folder is not redone.
    """
    work = Segmenting(model, output, export)
    manifest = Manifest(model.record.labels, work.weights, work.listed(scans if shard else None))
    cohort = Cohort({}, 0, manifest.failed)
    for name, images in progress(scans.items(), len(scans), "segmenting"):
        try:
            manifest.cases[name], was_there = work.entry(name, images)
            cohort.masks[name] = output / manifest.cases[name]["mask"]
            cohort.reused += was_there
        except StoppedError:
            raise
        except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
            known = isinstance(problem, SegkitError | OSError)
            reason = one_line(problem) if known else f"{type(problem).__name__}: {one_line(problem)}"
            manifest.failed[name] = without_folders(reason, (place.parent for place in images.values()))
            manifest.cases.pop(name, None)
            error(f"{name}: {reason}")
        write_manifest(output, manifest, shard)
    if scans:
        write_cases(output, read_manifest(output))
    return cohort


def memory_line(ready: Ready) -> str:
    """Say what memory a mask will take."""
    now, most = memory_used()
    mask = math.prod(ready.scan.grid.shape)
    windows, pieces = ready.work.windows, ready.work.pieces
    how = f"{windows} window{'s' * (windows > 1)} at once" + (f", rows in {pieces} pieces" if pieces > 1 else "")
    in_all = max(most, now + ready.work.bytes + mask + LIBRARIES)
    return f"{size_text(ready.work.bytes)} for logits and networks ({how}), at most {size_text(in_all)} in all"


def suffix_for(mask: Mask, export: str) -> str:
    """Return the suffix of a mask's file."""
    if export == "auto":
        export = OWN_FORMATS.get(mask.scan.source.format or "", "nifti")
    return SUFFIXES[export]
