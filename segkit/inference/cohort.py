"""Many scans, one mask each: finished ones are kept, one bad scan never stops the rest."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from segkit.config.rules import plain_rules
from segkit.config.shard import Shard
from segkit.foundation.console import progress_bar
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import remove_litter, staging_folder
from segkit.foundation.hashing import file_hash, value_hash
from segkit.inference.assembly_line import AssemblyLine
from segkit.inference.cohort_table import write_cases
from segkit.inference.failures import reason_of
from segkit.inference.model import Mask, Model
from segkit.preparation.store import content_hash
from segkit.runs.manifest import Manifest, read_manifest
from segkit.runs.register import Register
from segkit.volumes.selection import Location

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


class MaskFolder:
    """A folder that masks of one model go to.

    Args:
        model: what segments.
        output: the folder.
        export: a format of `SUFFIXES`, or `auto` for each scan's own (NIfTI where segkit does not write it).
        wanted: the cases whose masks this command lists; None: all that the folder has of this model.
        shard: of jobs that share the folder, which this is.
    """

    def __init__(
        self, model: Model, output: Path, export: str, wanted: Container[str] | None = None, shard: Shard | None = None
    ) -> None:
        self.output, self.export = output, export
        weights = [record.weights for record in model.records]
        # Windows and memory say how masks are computed, not what they are.
        options = {name: value for name, value in asdict(model.options).items() if name not in ("windows", "memory")}
        self.settings = [weights, options, export, plain_rules(model.rules)]
        remove_litter(output)
        self.before = read_manifest(output)
        known = self.before if self.before.weights == weights else Manifest()
        listed, saving = (
            {name: entry for name, entry in of.items() if wanted is None or name in wanted}
            for of in (known.cases, known.saving)
        )
        self.register = Register(output, Manifest(model.record.labels, weights, listed, {}, saving), shard)

    def key_of(self, images: Mapping[str, Location]) -> tuple[str, str]:
        """Return the hash of a scan, and that of all that its mask depends on."""
        scan = value_hash({channel: content_hash(path) for channel, path in images.items()})
        return scan, value_hash([self.settings, scan])

    def found(self, name: str, key: str) -> dict[str, Any] | None:
        """Return what the manifest says of a mask that is there, None where it has to be made.

        A mask that a killed command had moved into the folder, and not listed yet, is there too.
        """
        entry = self.before.cases.get(name, {})
        if entry.get("key") == key and self.before.mask(self.output, name) is not None:
            return entry
        saving = self.before.saving.get(name, {})
        if saving.get("key") == key and self._are_whole(saving.get("files", {})):
            return {known: value for known, value in saving.items() if known != "files"}
        return None

    def _are_whole(self, files: Mapping[str, str]) -> bool:
        places = {self.output / Path(name).name: sha256 for name, sha256 in files.items()}
        return bool(places) and all(place.is_file() and file_hash(place) == sha256 for place, sha256 in places.items())

    def save(self, name: str, images: Mapping[str, Location], mask: Mask, entry: dict[str, Any]) -> dict[str, Any]:
        """Write a mask and list it; return what the manifest says of it."""
        with staging_folder(self.output / name) as staged:
            try:
                path = self._written(name, images, mask, staged)
            except Exception as problem:
                raise DataError(reason_of(problem).replace(str(staged), str(self.output))) from problem
            entry = {"mask": path.name, **entry}
            files = {file.name: file_hash(file) for file in sorted(staged.iterdir())}
            self.register.about_to_move(name, entry, files)
            for file in files:
                (staged / file).replace(self.output / file)
        self.register.add(name, entry)
        return entry

    def _written(self, name: str, images: Mapping[str, Location], mask: Mask, staged: Path) -> Path:
        suffix = suffix_for(mask, self.export)
        path = self.output / f"{name}{suffix}"
        files = [image for image in images.values() if isinstance(image, Path)]
        if any(path.exists() and path.samefile(file) for file in files):
            raise UsageError(f"the mask would replace the scan {path}; choose another output")
        return mask.save(staged / path.name)


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
    if not scans:
        return Cohort({}, 0, {})
    output.mkdir(parents=True, exist_ok=True)
    folder = MaskFolder(model, output, export, scans if shard else None, shard)
    try:
        with progress_bar(len(scans), "segmenting") as advance:
            line = AssemblyLine(model, folder, advance)
            line.run(scans)
    finally:
        folder.register.close()
    write_cases(output, read_manifest(output))
    masks = {name: output / line.entries[name]["mask"] for name in scans if name in line.entries}
    return Cohort(masks, line.reused, folder.register.manifest.failed)


def suffix_for(mask: Mask, export: str) -> str:
    """Return the suffix of a mask's file."""
    if export == "auto":
        export = OWN_FORMATS.get(mask.scan.source.format or "", "nifti")
    return SUFFIXES[export]
