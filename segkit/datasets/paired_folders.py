"""Two folders whose files pair by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segkit.datasets.case import Case, Layout
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.reading import find_volumes, stem


@dataclass(frozen=True)
class PairedFolders(Layout):
    """`images/a.nii.gz` beside `labels/a.nii.gz`; a folder of DICOM slices counts as one image named after the folder.

    Attributes:
        images: folder of images, one channel each.
        references: folder of references with the images' names; None or an image without one: no reference.
    """

    images: str
    references: str | None = None

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return every case, sorted by name.

        Raises:
            UsageError: when the data set has more than one channel, which this layout cannot tell apart.
            DataError: when a folder is missing or empty, or two images share a name.
        """
        names = list(channels)
        if len(names) != 1:
            raise UsageError(f"data.channels: PairedFolders holds one channel a case, not {len(names)}: {names}")
        references = volumes_by_name(Path(self.references)) if self.references else {}
        images = volumes_by_name(Path(self.images))
        if references and not images.keys() & references.keys():
            raise DataError(f"no image in {self.images} has a reference of its name in {self.references}")
        return [Case(name, {names[0]: path}, references.get(name)) for name, path in images.items()]


def volumes_by_name(folder: Path) -> dict[str, Path]:
    """Return the volumes of a folder by case name, sorted.

    Raises:
        DataError: when the folder is missing, holds no volume, or holds two with one name.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    volumes: dict[str, Path] = {}
    for path in find_volumes(folder):
        name = stem(path)
        if name in volumes:
            raise DataError(f"{path} and {volumes[name]} are both called {name}; a case name must be unique")
        volumes[name] = path
    if not volumes:
        raise DataError(f"{folder} holds no volume that segkit reads")
    return dict(sorted(volumes.items()))
