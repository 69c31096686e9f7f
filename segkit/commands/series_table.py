"""`segkit convert input=EXPORT list=true`: what a DICOM export holds, a row a volume."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from segkit.config.commands import ConvertConfig
from segkit.foundation.console import paths_written, say, table, warn
from segkit.foundation.errors import SegkitError, UsageError
from segkit.foundation.files import write_text
from segkit.volumes.dicom.choosing import fits
from segkit.volumes.dicom.geometry import RESAMPLE, grid_of
from segkit.volumes.dicom.oddities import oddities
from segkit.volumes.dicom.series import Export, images_in, look_through
from segkit.volumes.dicom.stacks import Stack

COLUMNS = ("series", "modality", "description", "size", "spacing (mm)", "transfer syntax", "what is odd")


def list_series(config: ConvertConfig) -> Path:
    """Print a table of the volumes in an export, those that pass the filter; write it as CSV where an output is named.

    Returns:
        The input.

    Raises:
        UsageError: when there is no input, or the output is no CSV.
        DataError: when nothing can be read.
    """
    if config.input is None:
        raise UsageError("list=true shows the series of a DICOM export: pass input=EXPORT")
    output = Path(config.output) if config.output else None
    if output is not None and output.suffix.lower() != ".csv":
        raise UsageError(f"output={output}: list=true writes a table: end its name in .csv")
    path = Path(config.input)
    export = look_through(path, workers=config.workers)
    rows = [row_of(stack) for stack in images_in(export) if fits(stack, config.series)]
    table(f"{len(rows)} volume{'' if len(rows) == 1 else 's'} in {path}", COLUMNS, rows)
    say_beside(export)
    if output is not None:
        write_text(output, as_csv(rows))
        paths_written([output])
    return path


def row_of(stack: Stack) -> list[str]:
    """Return the cells of one volume."""
    one, count = stack.first, len(stack.planes)
    size = [*one.encoding.shape, *([] if stack.is_picture else [count])]
    odd = "; ".join(oddities(stack))
    return [
        stack.name,
        one.modality,
        one.description,
        " x ".join(map(str, size)),
        spacing_of(stack),
        syntax_of(stack),
        odd,
    ]


def spacing_of(stack: Stack) -> str:
    """Return the spacing of a volume in mm; "" where its slices make no grid."""
    try:
        return " x ".join(f"{spacing:.4g}" for spacing in grid_of(stack, RESAMPLE).spacing)
    except SegkitError:
        return ""


def syntax_of(stack: Stack) -> str:
    """Return the names of the transfer syntaxes in use."""
    from pydicom.uid import UID

    uids = dict.fromkeys(plane.instance.encoding.syntax for plane in stack.planes)
    return ", ".join(UID(uid).name.partition(" (Process")[0] if uid else "not stated" for uid in uids)


def say_beside(export: Export) -> None:
    """Say what else lies in an export: objects without an image, and files that cannot be read."""
    kinds: dict[str, int] = {}
    for other in export.others:
        kinds[other.modality or "no modality"] = kinds.get(other.modality or "no modality", 0) + 1
    if kinds:
        say("beside them: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    for reason in export.unreadable.values():
        warn(reason)


def as_csv(rows: Sequence[Sequence[str]]) -> str:
    """Return the table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    return text.getvalue()
