"""Many scans, one mask each: finished ones are kept, one bad scan never stops the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segkit.foundation.console import error, progress
from segkit.foundation.errors import SegkitError
from segkit.foundation.files import read_json, write_json
from segkit.foundation.hashing import value_hash
from segkit.inference.model import Mask, Model
from segkit.preparation.store import content_hash

MANIFEST = "predictions.json"
SUFFIXES = {"nifti": ".nii.gz", "nrrd": ".nrrd", "metaimage": ".mha", "png": ".png", "tiff": ".tif"}
OWN_FORMATS = {"nifti": "nifti", "nrrd": "nrrd", "metaimage": "metaimage", "tiff": "tiff", "picture": "png"}


@dataclass(frozen=True)
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


def predict_cohort(model: Model, scans: Mapping[str, Mapping[str, Path]], output: Path, export: str) -> Cohort:
    """Segment scans into a folder and keep `predictions.json` beside the masks.

    Args:
        model: what segments.
        scans: case name to its images by channel.
        output: folder of the masks.
        export: a format of `SUFFIXES`, or `auto` for each scan's own (NIfTI where segkit does not write it).

    Returns:
        masks and failures. A case whose inputs, model and settings are those of a mask in the folder is not redone.
    """
    before = known_masks(output)
    settings = value_hash([[record.weights for record in model.records], asdict(model.options), export])
    masks: dict[str, Path] = {}
    failed: dict[str, str] = {}
    manifest: dict[str, Any] = {"labels": model.record.labels, "model": model.record.name, "cases": {}}
    reused = 0
    for name, images in progress(scans.items(), len(scans), "segmenting"):
        try:
            key = value_hash([settings, {channel: content_hash(path) for channel, path in images.items()}])
            entry = before.get(name, {})
            if entry.get("key") == key and (output / str(entry["mask"])).is_file():
                masks[name], reused = output / str(entry["mask"]), reused + 1
            else:
                mask = model.segment(dict(images))
                masks[name] = mask.save(output / f"{name}{suffix_for(mask, export)}")
            manifest["cases"][name] = {"mask": masks[name].name, "key": key}
        except (SegkitError, OSError) as problem:
            failed[name] = str(problem)
            error(f"{name}: {problem}")
        kept = {case: entry for case, entry in before.items() if case not in failed}
        write_json(output / MANIFEST, {**manifest, "cases": {**kept, **manifest["cases"]}, "failed": failed})
    return Cohort(masks, reused, failed)


def known_masks(output: Path) -> dict[str, Any]:
    """Return the cases of a folder's manifest, none where there is no readable one."""
    path = output / MANIFEST
    if not path.is_file():
        return {}
    cases = read_json(path).get("cases", {})
    return {name: entry for name, entry in cases.items() if isinstance(entry, dict) and {"mask", "key"} <= set(entry)}


def suffix_for(mask: Mask, export: str) -> str:
    """Return the suffix of a mask's file."""
    if export == "auto":
        export = OWN_FORMATS.get(mask.scan.source.format or "", "nifti")
    return SUFFIXES[export]
