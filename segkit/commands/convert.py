"""`segkit convert input=PATH output=FILE`: any readable volume or DICOM series to another format."""

from __future__ import annotations

from pathlib import Path

from segkit.config.commands import ConvertConfig
from segkit.foundation.console import paths_written
from segkit.foundation.errors import UsageError
from segkit.volumes.reading import read
from segkit.volumes.writing import write, writer_for


def convert(config: ConvertConfig) -> Path:
    """Read one volume and write it in another format, voxel values and grid unchanged.

    Returns:
        The file that was written.

    Raises:
        UsageError: when the output names no format that segkit writes, is a folder, or is the input itself.
        DataError: when the input cannot be read, or the format cannot hold its voxels.
        GeometryError: when the format cannot hold its grid.
    """
    output = Path(config.output)
    writer_for(output)  # a mistake in the name is found before anything large is read
    if output.is_dir():
        raise UsageError(f"output={output} is a folder: name the file to write")
    if output.exists() and output.samefile(config.input):
        raise UsageError(f"output={output} is the input itself: choose another name")
    write(read(config.input), output)
    paths_written([output])
    return output
