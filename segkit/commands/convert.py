"""`segkit convert input=PATH output=FILE`, or `data=NAME output=DIR`: a volume, or a data set, in another format."""

from __future__ import annotations

from pathlib import Path

from segkit.config.checks import check_dataset
from segkit.config.commands import ConvertConfig
from segkit.config.options import DatasetOptions
from segkit.foundation.console import paths_written
from segkit.foundation.errors import UsageError
from segkit.volumes.reading import read
from segkit.volumes.writing import write, writer_for


def convert(config: ConvertConfig) -> Path:
    """Write one volume in another format, or a whole data set in nnU-Net's.

    Returns:
        The file that was written, or the folder.

    Raises:
        UsageError: when both or neither of `input` and `data` are given, or the output cannot be written so.
        DataError: when the input cannot be read, or the format cannot hold its voxels.
        GeometryError: when the format cannot hold its grid.
        CasesFailedError: when cases of a data set could not be converted; the others were.
    """
    if (config.input is None) == (config.data is None):
        both = "input and data are both set" if config.input else "what to convert is not set"
        raise UsageError(f"{both}: pass input=FILE output=FILE, or data=NAME data.root=DIR output=DIR")
    output = Path(config.output)
    if config.data is not None:
        return convert_dataset(config.data, output, config.workers)
    return convert_volume(Path(config.input or ""), output)


def convert_volume(path: Path, output: Path) -> Path:
    """Write a volume in the format that the output's suffix names, voxel values and grid unchanged."""
    writer_for(output)  # a mistake in the name is found before anything large is read
    if output.is_dir():
        raise UsageError(f"output={output} is a folder: name the file to write")
    if output.exists() and output.samefile(path):
        raise UsageError(f"output={output} is the input itself: choose another name")
    write(read(path), output)
    paths_written([output])
    return output


def convert_dataset(data: DatasetOptions, output: Path, workers: int | None) -> Path:
    """Write a data set as nnU-Net's raw format has it, the only layout that is written."""
    from segkit.commands.nnunet_raw import write_nnunet

    check_dataset(data)
    if output.exists() and not output.is_dir():
        raise UsageError(f"output={output} is a file: name the folder for the data set")
    paths_written([*write_nnunet(data, output, workers), output])
    return output
