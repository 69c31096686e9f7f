"""Many scans, one mask each: finished ones are kept, one bad scan never stops the rest."""

from __future__ import annotations

import math
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segkit.config.options import ObjectOptions
from segkit.config.rules import plain_rules
from segkit.config.shard import Shard
from segkit.foundation.console import error, progress, say
from segkit.foundation.errors import SegkitError, StoppedError, UsageError
from segkit.foundation.hashing import value_hash
from segkit.foundation.machine import memory_used
from segkit.inference.cohort_table import write_cases
from segkit.inference.exporters import AUTO, Segmented, export, exporters_named, fitting, standard_objects
from segkit.inference.model import Mask, Model, Ready
from segkit.preparation.disk import size_text
from segkit.preparation.store import content_hash
from segkit.runs.manifest import Manifest, read_manifest, write_manifest
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.reading import one_line
from segkit.volumes.selection import Location, without_folders

LIBRARIES = 60e6  # bytes that PyTorch's kernels and compiled loops take when they are first used


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
        wanted: names of exporters, or `auto` for each scan's own format (NIfTI where segkit does not write it).
        objects: what DICOM objects are like.
    """

    def __init__(self, model: Model, output: Path, wanted: str | Sequence[str], objects: ObjectOptions) -> None:
        self.model, self.output, self.objects = model, output, objects
        self.exporters = exporters_named(wanted)
        self.author = Author(model.record.name, value_hash([record.weights for record in model.records])[:12])
        self.weights = [record.weights for record in model.records]
        # Windows and memory say how masks are computed, not what they are.
        options = {name: value for name, value in asdict(model.options).items() if name not in ("windows", "memory")}
        names = [AUTO if each is None else each.name for each in self.exporters]
        self.settings = [self.weights, options, names[0] if len(names) == 1 else names, plain_rules(model.rules)]
        if any(each is not None and each.needs_dicom for each in self.exporters):
            self.settings.append(asdict(objects))
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
        if found.get("key") == key and self.before.is_whole(self.output, name):
            return found, True
        began = time.perf_counter()
        ready = self.model.ready(dict(images))
        wanted = fitting(self.exporters, ready.scan.first)  # a mask that cannot be written is not computed
        self._check_apart([f"{name}{each.suffix}" for each in wanted], images)
        mask = self._mask(name, ready)
        segmented = Segmented(mask.array, mask.labels, mask.scan, self.author, self.objects)
        files = export(segmented, wanted, self.output, name)
        seconds = round(time.perf_counter() - began, 3)
        entry = {"mask": next(iter(files.values())), "key": key, "scan": scan, "seconds": seconds}
        return {**entry, "volumes": mask.volumes, "files": files}, False

    def _mask(self, name: str, ready: Ready) -> Mask:
        if (ready.work.windows, ready.work.pieces) not in self._announced:
            self._announced.add((ready.work.windows, ready.work.pieces))
            say(f"{name}: {memory_line(ready)}")
        return self.model.mask_of(ready)

    def _check_apart(self, files: Sequence[str], images: Mapping[str, Location]) -> None:
        scans = [image for image in images.values() if isinstance(image, Path)]
        for path in (self.output / file for file in files):
            if any(path.exists() and path.samefile(scan) for scan in scans):
                raise UsageError(f"the mask would replace the scan {path}; choose another output")


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
    """
    work = Segmenting(model, output, wanted, objects or standard_objects())
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
