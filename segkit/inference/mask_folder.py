"""A folder that masks of one model go to: which are there already, and how one is added."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segkit.config.options import ObjectOptions
from segkit.config.rules import plain_rules
from segkit.config.shard import Shard
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import remove_litter, staging_folder
from segkit.foundation.hashing import file_hash, value_hash
from segkit.inference.exporters import AUTO, Segmented, export, exporters_named, fitting
from segkit.inference.failures import reason_of
from segkit.inference.model import Mask, Model
from segkit.inference.score_files import write_scores
from segkit.preparation.contents import content_hash
from segkit.runs.manifest import Manifest, place_in, read_manifest
from segkit.runs.model_file import SEEN_DIGITS
from segkit.runs.register import Register
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.selection import Location
from segkit.volumes.volume import Volume

Images = Mapping[str, Location]
HOW = ("windows", "memory", "stalled_after")


class MaskFolder:
    """A folder of masks, and the manifest that a command adds to.

    Args:
        model: what segments.
        output: the folder.
        wanted: names of exporters, or `auto` for each scan's own format (NIfTI where segkit does not write it).
        objects: what DICOM objects are like.
        own: the cases whose masks this command lists; None: all that the folder has of this model.
        shard: of jobs that share the folder, which this is.

    Attributes:
        trained: names of the cases so far whose scan trained the model.

    Raises:
        UsageError: when no exporter is called so.
    """

    def __init__(
        self,
        model: Model,
        output: Path,
        wanted: str | Sequence[str],
        objects: ObjectOptions,
        own: Container[str] | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.output, self.objects = output, objects
        self.exporters = exporters_named(wanted)
        weights = [record.weights for record in model.records]
        self.author = Author(model.record.name, value_hash(weights)[:12])
        # These say how masks are computed, not what they are.
        options = {name: value for name, value in asdict(model.options).items() if name not in HOW}
        names = [AUTO if each is None else each.name for each in self.exporters]
        earlier = [[each.weights for each in stage.records] for stage in model.previous if stage]
        self.settings = [weights, options, names[0] if len(names) == 1 else names, plain_rules(model.rules), *earlier]
        if any(each is not None and each.needs_dicom for each in self.exporters):
            self.settings.append(asdict(objects))
        self.probabilities = model.scores.probabilities if model.scores else None
        if model.scores and (model.scores.are_wanted or model.scores.passes):
            # Which cases are flagged changes with those beside them.
            self.settings.append({name: value for name, value in asdict(model.scores).items() if name != "flagged"})
        output.mkdir(parents=True, exist_ok=True)
        remove_litter(output)
        self.before = read_manifest(output)
        known = self.before if self.before.weights == weights else Manifest()
        listed, saving = (
            {name: entry for name, entry in of.items() if own is None or name in own}
            for of in (known.cases, known.saving)
        )
        stages = [model, *(stage for stage in model.previous if stage)]
        self._seen = {digits for stage in stages for record in stage.records for digits in record.seen}
        self.trained: list[str] = []
        self.register = Register(output, Manifest(model.record.labels, weights, listed, {}, saving), shard)

    @property
    def needs_voxels(self) -> bool:
        """Whether what is written of a mask looks at the scan's intensities too."""
        return any(each is not None and each.needs_voxels for each in self.exporters)

    def key_of(self, name: str, images: Images) -> tuple[str, str]:
        """Return the hash of a scan, and that of all that its mask depends on; scans that trained are noted."""
        hashes = {channel: content_hash(path) for channel, path in images.items()}
        if any(each[:SEEN_DIGITS] in self._seen for each in hashes.values()):
            self.trained.append(name)
        scan = value_hash(hashes)
        return scan, value_hash([self.settings, scan])

    def found(self, name: str, key: str) -> dict[str, Any] | None:
        """Return what the manifest says of a mask that is there, None where it has to be made.

        A mask that a killed command had moved into the folder, and not listed yet, is there too.
        """
        entry = self.before.cases.get(name, {})
        if entry.get("key") == key and self.before.is_whole(self.output, name):
            return entry
        saving = self.before.saving.get(name, {})
        if saving.get("key") == key and self._lie_there(saving["saved"]):
            return {known: value for known, value in saving.items() if known != "saved"}
        return None

    def _lie_there(self, saved: Mapping[str, str]) -> bool:
        places = {place_in(self.output, name): sha256 for name, sha256 in saved.items()}
        return bool(places) and all(place.exists() and hash_of(place) == sha256 for place, sha256 in places.items())

    def check(self, name: str, images: Images, scan: Volume) -> None:
        """Make sure, before a mask is computed, that it can be written.

        Raises:
            DataError: when an exporter needs a DICOM series and the scan is none.
            UsageError: when a file would replace the scan.
        """
        scans = [image for image in images.values() if isinstance(image, Path)]
        for path in (self.output / f"{name}{each.suffix}" for each in fitting(self.exporters, scan)):
            if any(path.exists() and path.samefile(scan) for scan in scans):
                raise UsageError(f"the mask would replace the scan {path}; choose another output")

    def save(self, name: str, mask: Mask, entry: dict[str, Any]) -> dict[str, Any]:
        """Write a mask in every way that is wanted and list it; return what the manifest says of it.

        Raises:
            DataError: when it cannot be written; the folder is then as it was.
        """
        segmented = Segmented(mask.array, mask.labels, mask.scan, self.author, self.objects)
        with staging_folder(self.output / name) as staged:
            try:
                files = export(segmented, fitting(self.exporters, mask.scan), staged, name)
                if mask.scores is not None:
                    files |= write_scores(mask.scores, mask.scan, self.probabilities, staged, name)
                    entry["expected_dice"] = mask.scores.expected_dice
            except Exception as problem:
                raise DataError(reason_of(problem).replace(str(staged), str(self.output))) from problem
            entry = {"mask": next(iter(files.values())), **entry, "files": files}
            self.register.about_to_move(name, entry, {file: hash_of(staged / file) for file in files.values()})
            for file in files.values():
                move(staged / file, self.output / file)
        self.register.add(name, entry)
        return entry


def hash_of(place: Path) -> str:
    """Return the sha256 of a file, or of a folder's files and their names."""
    if place.is_dir():
        files = sorted(path for path in place.rglob("*") if path.is_file())
        return value_hash({str(path.relative_to(place)): file_hash(path) for path in files})
    return file_hash(place)


def move(source: Path, target: Path) -> None:
    """Move a file or folder to its place; an older folder there goes first, since no rename replaces one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        target.replace(source.with_name(f"{source.name}.old"))
    source.replace(target)
