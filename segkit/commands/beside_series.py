"""`segkit convert input=MASK like=SERIES output=FILE.dcm`: a mask that exists, as a DICOM object beside its series."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segkit.config.commands import ConvertConfig
from segkit.config.labels import BACKGROUND, Declared, Labels, in_colour, labels_from
from segkit.foundation.console import paths_written
from segkit.foundation.errors import DataError, GeometryError, UsageError
from segkit.foundation.suggestions import some_of
from segkit.inference.exporters import Exporter, Segmented, check_objects, exporters
from segkit.runs.manifest import read_manifest
from segkit.volumes.dicom.choosing import chosen
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.dicom.files import DicomFile, is_dicom
from segkit.volumes.dicom.references import drawn_on
from segkit.volumes.dicom.selection import SeriesSelection, selections
from segkit.volumes.dicom.series import find_series
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.turning import turned_onto
from segkit.volumes.volume import Volume

DICOM_SUFFIX, DEFAULT = ".dcm", "dicom_seg"
DRAWN_BY_HAND = Author("unknown", "unknown", is_algorithm=False)


class Laid(NamedTuple):
    """A mask on the grid of its series.

    Attributes:
        values: shape of the series' grid.
        labels: what they mean.
        series: the series.
    """

    values: NDArray[Any]
    labels: Labels
    series: SeriesSelection


def exporter_for(output: Path) -> Exporter | None:
    """Return what writes the DICOM object that an output's name stands for; None where it names no such object.

    `x.rtstruct.dcm` is what `export=rtstruct` would write; any other `x.dcm` a DICOM SEG.

    Raises:
        UsageError: when that object refers to another one, which a single file cannot bring.
    """
    name = output.name.lower()
    if not name.endswith(DICOM_SUFFIX):
        return None
    found = [each for each in exporters().values() if each.needs_dicom and name.endswith(each.suffix)]
    exporter = max(found, key=lambda each: len(each.suffix), default=exporters()[DEFAULT])
    if exporter.needs:
        raise UsageError(f"output={output}: {exporter.name} refers to {exporter.needs[0]}, so predict writes both")
    return exporter


def write_beside(config: ConvertConfig, exporter: Exporter) -> Path:
    """Write a mask as a DICOM object beside the series that `like` names.

    Raises:
        DataError: when the input is no mask, or no series fits it, or several do.
        GeometryError: when it does not lie on the voxels of the only series there is.
    """
    path, like, output = Path(config.input or ""), Path(config.like or ""), Path(config.output or "")
    if output.exists() and output.samefile(path):
        raise UsageError(f"output={output} is the input itself: choose another name")
    laid = from_dicom(path, like, config) if is_dicom(DicomFile(path)) else from_volume(path, like, config)
    check_objects([exporter], laid.labels, config.objects)
    scan = laid.series.read()
    exporter.write(Segmented(laid.values, laid.labels, scan, DRAWN_BY_HAND, config.objects), output)
    paths_written([output])
    return output


def from_dicom(path: Path, like: Path, config: ConvertConfig) -> Laid:
    """Return the segments of a DICOM SEG or structure set on their series, called as they are there."""
    selection = drawn_on(path, like, config.dicom)
    numbers, known = [stroke.value for stroke in selection.strokes], selection.labels
    twice = {name for name in known if known.count(name) > 1}
    names = [f"{name} {number}" if name in twice else name for name, number in zip(known, numbers, strict=True)]
    declared = config.labels or {BACKGROUND: 0, **dict(zip(names, numbers, strict=True))}
    return Laid(selection.read().array[0], labels_from(declared), selection.series)


def from_volume(path: Path, like: Path, config: ConvertConfig) -> Laid:
    """Return a mask file on the one series there whose voxels it has, its axes turned where they run another way.

    Raises:
        GeometryError: when no series has its voxels.
        DataError: when several have.
    """
    mask = read(path)
    values = whole_values(mask, path, config.labels)
    labels = labels_from(config.labels or read_manifest(path.parent).labels or named_by_value(values, path))
    picks = selections(chosen(find_series(like), config.series, like), like, config.dicom)
    fitting: list[tuple[SeriesSelection, NDArray[Any]]] = []
    reasons: list[str] = []
    for pick in picks:
        try:
            turned = turned_onto(values, mask.grid, pick.read_grid(), what=f"{path} and {pick}")
            fitting.append((pick, turned))
        except (GeometryError, DataError) as error:
            reasons.append(str(error))
    if not fitting:
        several = f"{path}: none of the {len(picks)} volumes in {like} has its voxels; the first: "
        raise GeometryError(reasons[0] if len(picks) == 1 else several + reasons[0])
    if len(fitting) > 1:
        named = some_of([pick.name for pick, _ in fitting])
        raise DataError(f"{path} fits {len(fitting)} volumes in {like} ({named}): take one with series.uid=NAME")
    return Laid(fitting[0][1], labels, fitting[0][0])


def whole_values(mask: Volume, path: Path, declared: Declared | None) -> NDArray[Any]:
    """Return a mask's label values as integers.

    Raises:
        DataError: when it holds others.
    """
    values = label_values(mask, str(path), in_colour=in_colour(declared))
    if values.dtype.kind == "f":
        whole = values.astype(np.int32)
        if not np.array_equal(whole, values):
            raise DataError(f"{path} holds values that are not whole, so it is no mask")
        return whole
    return values


def named_by_value(values: NDArray[Any], path: Path) -> dict[str, int]:
    """Return each value but 0 as a label called after it.

    Raises:
        DataError: when there is none.
    """
    found = [int(value) for value in np.unique(values) if value]
    if not found:
        raise DataError(f"{path} holds no value but 0: labels={{NAME: VALUE}} writes empty segments")
    return {BACKGROUND: 0, **{f"label {value}": value for value in found}}
