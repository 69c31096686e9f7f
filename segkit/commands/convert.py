"""`segkit convert input=PATH output=FILE`, or `data=NAME output=DIR`: a volume, or a data set, in another format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segkit.commands.beside_series import exporter_for, write_beside
from segkit.commands.series_table import list_series
from segkit.config.commands import ConvertConfig
from segkit.config.data_checks import check_dataset
from segkit.config.options import DatasetOptions
from segkit.foundation.console import paths_written, progress
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError, UsageError
from segkit.foundation.failures import failures_said
from segkit.foundation.suggestions import some_of
from segkit.volumes.dicom.choosing import refuse_filter
from segkit.volumes.dicom.exports import cases_in, is_export
from segkit.volumes.dicom.references import drawn_on
from segkit.volumes.reading import read
from segkit.volumes.selection import Location, Selection
from segkit.volumes.writing import write, writer_for

SERIES_SUFFIX = ".nii.gz"  # of the series of an export, each written into one folder


def convert(config: ConvertConfig) -> Path:
    """Write one volume in another format, the series of a DICOM export, or a whole data set in nnU-Net's; or list them.

    Returns:
        The file that was written, or the folder; the input where it was only listed.

    Raises:
        UsageError: when both or neither of `input` and `data` are given, or the output cannot be written so.
        DataError: when the input cannot be read, or the format cannot hold its voxels.
        GeometryError: when the format cannot hold its grid.
        CasesFailedError: when cases or series could not be converted; the others were.
    """
    if (config.input is None) == (config.data is None):
        both = "input and data are both set" if config.input else "what to convert is not set"
        raise UsageError(f"{both}: pass input=FILE output=FILE, or data=NAME data.root=DIR output=DIR")
    if config.list:
        return list_series(config)
    if config.output is None:
        raise UsageError("output is not set: pass output=FILE, or of an export or a data set output=DIR")
    output = Path(config.output)
    if config.data is not None:
        refuse_filter(config.series, "a data set is converted whole")
        return convert_dataset(config.data, output, config.workers)
    path = Path(config.input or "")
    exporter = exporter_for(output) if config.like is not None else None
    if exporter is not None:
        return write_beside(config, exporter)
    if config.like is not None:
        return convert_volume(drawn_on(path, Path(config.like), config.dicom), output)
    if not is_export(path):
        refuse_filter(config.series, f"{path} holds none")
        return convert_volume(path, output)
    cases = cases_in(path, config.series, config.dicom, config.workers)
    return convert_series(cases, output) if is_folder(output) else convert_volume(only_one(cases, path), output)


def is_folder(output: Path) -> bool:
    """Tell whether an output is meant as a folder: it is one, or its name has no suffix."""
    return output.is_dir() or not output.suffix


def only_one(cases: Mapping[str, Selection], path: Path) -> Selection:
    """Return the one series of an export.

    Raises:
        DataError: when there are several.
    """
    if len(cases) > 1:
        raise DataError(
            f"{path} holds {len(cases)} volumes ({some_of(cases)}): take one with series.uid=NAME, or write all into "
            "a folder with output=DIR; list=true shows what they are"
        )
    return next(iter(cases.values()))


def convert_volume(place: Location, output: Path) -> Path:
    """Write a volume in the format that the output's suffix names, voxel values and grid unchanged.

    Raises:
        UsageError: when the output is a folder, the input itself, or of no format that is written.
    """
    writer_for(output)  # a mistake in the name is found before anything large is read
    if output.is_dir():
        raise UsageError(f"output={output} is a folder: name the file to write")
    if output.exists() and isinstance(place, Path) and output.samefile(place):
        raise UsageError(f"output={output} is the input itself: choose another name")
    write(read(place), output)
    paths_written([output])
    return output


def convert_series(cases: Mapping[str, Selection], output: Path) -> Path:
    """Write each series as a NIfTI file into a folder; those that cannot be read are named.

    Raises:
        CasesFailedError: when there were such.
    """
    written, failed = [], []
    with failures_said("series") as tell:
        for name, series in progress(cases.items(), len(cases), "converting series"):
            try:
                target = output / f"{name}{SERIES_SUFFIX}"
                write(read(series), target)
                written.append(target)
            except SegkitError as problem:
                tell(name, str(problem))
                failed.append(name)
    paths_written([*written, *([output] if written else [])])
    if failed:
        raise CasesFailedError(f"{len(failed)} of {len(cases)} series failed: {some_of(failed)}")
    return output


def convert_dataset(data: DatasetOptions, output: Path, workers: int | None) -> Path:
    """Write a data set as nnU-Net's raw format has it, the only layout that is written.

    Raises:
        UsageError: when the output is a file.
    """
    from segkit.commands.nnunet_raw import write_nnunet

    check_dataset(data)
    if output.exists() and not output.is_dir():
        raise UsageError(f"output={output} is a file: name the folder for the data set")
    paths_written([*write_nnunet(data, output, workers), output])
    return output
