"""What a mask becomes: each module here declares one `EXPORTER`, found by scanning, or by `segkit.exporters`."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.groups import conf_folder
from segkit.config.labels import Labels
from segkit.config.options import ObjectOptions
from segkit.config.typed import typed
from segkit.foundation.console import warn
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import read_yaml
from segkit.foundation.hashing import value_hash
from segkit.foundation.suggestions import did_you_mean, listed, some_of
from segkit.volumes.dicom.derived.mask import Author, Segment
from segkit.volumes.dicom.derived.segmentation import (
    LABELMAP,
    MOST,
    check_options,
    segmentation_series_uid,
    segmentation_uid,
)
from segkit.volumes.dicom.derived.source import DicomSource, dicom_source
from segkit.volumes.dicom.derived.terms import term_for
from segkit.volumes.volume import Volume

ENTRY_POINTS = "segkit.exporters"
AUTO = "auto"  # the scan's own format where a mask can be written in it, else NIfTI


@dataclass(frozen=True, eq=False)
class Segmented:
    """One scan with its mask: what is exported.

    Attributes:
        array: label values, shape (X, Y[, Z]) of `scan.grid`.
        labels: what the values mean.
        scan: as it was read; `scan.source` says from what, and a derived object lies beside that.
        author: what drew the mask.
        options: what DICOM objects are like.
    """

    array: NDArray[Any]
    labels: Labels
    scan: Volume
    author: Author
    options: ObjectOptions

    @cached_property
    def identity(self) -> str:
        """A hash of the mask, its labels and its author, from which UIDs follow."""
        values = np.asarray(self.array)
        narrow = values.astype(np.min_scalar_type(max(0, int(values.max(initial=0)))), copy=False)
        voxels = hashlib.sha256(np.ascontiguousarray(narrow.T).data).hexdigest()
        return value_hash([voxels, list(values.shape), self.labels.declared, asdict(self.author)])

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Each label but the background, as `segments_of` numbers them."""
        return segments_of(self.labels, self.options)

    @cached_property
    def source(self) -> DicomSource:
        """The series beneath the mask: planes by slice, headers.

        Raises:
            DataError: when the scan is no DICOM series.
        """
        found = dicom_source(self.scan)
        if found is None:
            raise DataError(f"the scan is {self.scan.source.format or 'made in memory'}, not DICOM")
        return found

    @cached_property
    def seg_uid(self) -> str:
        """The SOPInstanceUID of the mask's DICOM SEG, to which other objects refer."""
        return segmentation_uid(self.source, self.identity, self.options)

    @property
    def seg_series_uid(self) -> str:
        """The SeriesInstanceUID of that SEG."""
        return segmentation_series_uid(self.seg_uid)


def segments_of(labels: Labels, options: ObjectOptions) -> tuple[Segment, ...]:
    """Return each label but the background, in the order of values.

    They are numbered from 1, as a binary SEG must; a label map numbers them as the mask does, where it can.
    """
    members = sorted((labels.members[name], name) for name in labels.foreground)
    values = [values[0] for values, _ in members]
    is_map = options.segmentation == LABELMAP and not labels.is_regions
    keeps = is_map and values[0] >= 1 and values[-1] <= MOST
    return tuple(
        Segment(values[0] if keeps else number, name, tuple(values))
        for number, (values, name) in enumerate(members, start=1)
    )


@dataclass(frozen=True)
class Exporter:
    """One way to write a mask.

    Attributes:
        name: as `export=` says it.
        suffix: of the file, which is called as the case.
        write: writes to a path, whole or not at all.
        needs_dicom: whether the scan must be a DICOM series, beside which the object lies.
        needs: exporters whose objects this one refers to, so that they must be asked for too.
        needs_voxels: whether it looks at the scan's intensities, which are let go of otherwise.
        is_mask: whether `segkit.read` gives the mask back.
        of: the scan's `source.format` for which `export=auto` takes this exporter; "" for none.
    """

    name: str
    suffix: str
    write: Callable[[Segmented, Path], None]
    needs_dicom: bool = False
    needs: tuple[str, ...] = ()
    needs_voxels: bool = False
    is_mask: bool = True
    of: str = ""


@cache
def exporters() -> dict[str, Exporter]:
    """Return every exporter by name: the modules of this package, then those of third parties.

    Raises:
        UsageError: when a third party's entry point is no `Exporter`, or two have one name or suffix.
    """
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    found = [importlib.import_module(f"{__name__}.{name}").EXPORTER for name in names]
    for entry in entry_points(group=ENTRY_POINTS):
        exporter = entry.load()
        if not isinstance(exporter, Exporter):
            raise UsageError(f"entry point {entry.name} of {ENTRY_POINTS} ({entry.value}) is no segkit Exporter")
        found.append(exporter)
    for trait in ("name", "suffix"):
        owners: dict[str, Exporter] = {}
        for each in found:
            if owners.setdefault(getattr(each, trait), each) is not each:
                raise UsageError(f"two exporters have the {trait} {getattr(each, trait)}: remove one of them")
    return {each.name: each for each in found}


def standard_objects() -> ObjectOptions:
    """Return `conf/objects/standard.yaml`."""
    return typed(ObjectOptions, read_yaml(conf_folder() / "objects" / "standard.yaml"), "objects")


def exporters_named(wanted: str | Sequence[str]) -> tuple[Exporter | None, ...]:
    """Return the exporters of `export=`; None stands for `auto`, which each scan decides.

    Raises:
        UsageError: when there is none of a name, none is named, or one refers to another that is not asked for.
    """
    names = list(dict.fromkeys([wanted] if isinstance(wanted, str) else wanted))
    known = exporters()
    for name in names:
        if name not in known and name != AUTO:
            raise UsageError(
                f"export: {name} is not one of {listed([AUTO, *known])}{did_you_mean(name, [AUTO, *known])}"
            )
    if not names:
        raise UsageError(f"export names nothing to write: one of {listed([AUTO, *known])}, or several [A,B]")
    for name in names:
        missing = [each for each in known[name].needs if each not in names] if name != AUTO else []
        if missing:
            raise UsageError(f"export={name} refers to {missing[0]}: pass export=[{','.join([*missing, *names])}]")
    return tuple(known.get(name) for name in names)


def check_objects(wanted: Sequence[Exporter | None], labels: Labels, options: ObjectOptions) -> None:
    """Find mistakes in `objects` before anything large is read, and name labels that have no code.

    Raises:
        UsageError: when options exclude one another, an entry of `objects.terms` is malformed, or labels overlap in a
            label map.
        MissingExtraError: when a compression's encoder is not installed.
    """
    if not any(each is not None and each.needs_dicom for each in wanted):
        return
    check_options(options, segments_of(labels, options))
    unknown = [name for name in labels.foreground if not term_for(name, options.terms).is_known]
    if unknown:
        warn(
            f"no code is known for {some_of(unknown, 8)}: DICOM objects call them tissue; say what they are with "
            f"'objects.terms={{{unknown[0]}: NAME_THAT_SEGKIT_KNOWS}}' or [SCT, CODE, MEANING]"
        )


def fitting(wanted: Sequence[Exporter | None], scan: Volume) -> list[Exporter]:
    """Return the exporters for one scan, each once.

    Raises:
        DataError: when one of them needs a DICOM series and the scan is none.
    """
    own = next((each for each in exporters().values() if each.of == scan.source.format and each.of), None)
    found = list(dict.fromkeys(each or own or exporters()["nifti"] for each in wanted))
    demanding = next((each.name for each in found if each.needs_dicom), None)
    if demanding and dicom_source(scan) is None:
        raise DataError(
            f"export={demanding} lies beside a DICOM series, and this scan is of format {scan.source.format}: take "
            "export=auto or nifti"
        )
    return found


def export(segmented: Segmented, wanted: Sequence[Exporter], folder: Path, case: str) -> dict[str, str]:
    """Write a case's mask in every way that is wanted.

    Returns:
        exporter's name to the name of its file in `folder`; first what reads back most simply.

    Raises:
        DataError: when a format cannot hold the mask.
        GeometryError: when it cannot hold the scan's grid.
        OSError: when a file cannot be written.
    """
    written: dict[str, str] = {}
    for exporter in sorted(wanted, key=lambda each: (not each.is_mask, each.needs_dicom)):
        path = folder / f"{case}{exporter.suffix}"
        exporter.write(segmented, path)
        written[exporter.name] = path.name
    return written
