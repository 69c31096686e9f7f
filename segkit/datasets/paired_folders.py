"""Two folders whose files pair by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.datasets.case import Case, Layout
from segkit.datasets.channel_files import images_by_case
from segkit.foundation.errors import DataError
from segkit.volumes.reading import find_volumes, stem

UNREFERENCED = ", or null where no case has one (predict needs none, training does)"


@dataclass(frozen=True)
class PairedFolders(Layout):
    """`images/a.nii.gz` beside `labels/a.nii.gz`; a folder of DICOM slices counts as one image named after the folder.

    Suffixes may differ: `images/a.jpg` pairs with `labels/a.png`.

    Attributes:
        images: folder of images. Several channels are files of one case, as `images_by_case` pairs them, or stand in
            one file.
        references: folder of references with the cases' names; None: no case has one.
    """

    images: str
    references: str | None = None

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return every case, sorted by name; an image without a reference, or the reverse, is one too.

        Raises:
            DataError: when a folder is missing or empty, two files share a name, or no name stands in both folders.
        """
        names, folder = list(channels), Path(self.images)
        references = volumes_by_name(Path(self.references)) if self.references else {}
        images = images_by_case(volumes_in(folder, "data.layout.images"), names, folder=folder, names=references)
        if self.references is None:
            return [Case(name, files) for name, files in images.items()]
        if not images.keys() & references.keys():
            raise DataError(
                f"no image in {folder} has a reference of its name in {self.references} (e.g. {next(iter(images))} "
                f"beside {next(iter(references))}): rename one to the other, or list the files in a table (data=table)"
            )
        imaged = FolderFiles(folder, images, names)
        labelled = FolderFiles(Path(self.references), {name: {"": path} for name, path in references.items()}, [""])
        return [
            Case(
                name,
                images.get(name) or imaged.expected(name, references[name], labelled),
                references.get(name) or labelled.expected(name, images[name][names[0]], imaged)[""],
            )
            for name in sorted(images.keys() | references.keys())
        ]


@dataclass(frozen=True)
class FolderFiles:
    """The files of one folder, which tell how a file that is missing should be called.

    Attributes:
        folder: where they lie.
        files: case to channel to file.
        channels: in order.
    """

    folder: Path
    files: Mapping[str, Mapping[str, Path]]
    channels: Sequence[str]

    def expected(self, name: str, partner: Path, partners: FolderFiles) -> dict[str, Path]:
        """Return where the files of a case should lie.

        Args:
            name: of the case.
            partner: the case's file in the other folder.
            partners: the other folder.
        """
        case, example = next(iter(self.files.items()))
        if len(set(example.values())) > 1:
            return {channel: self._renamed(path, case, name) for channel, path in example.items()}
        suffixes = {suffix_of(path) for files in self.files.values() for path in files.values()}
        suffix = suffixes.pop() if len(suffixes) == 1 else suffix_of(partner)
        is_alike = len(self.channels) == len(partners.channels)  # else sub-folders may be channels
        within = partner.parent.relative_to(partners.folder) if is_alike else Path()
        return dict.fromkeys(self.channels, self.folder / within / f"{name}{suffix}")

    def _renamed(self, path: Path, case: str, name: str) -> Path:
        *folders, last = path.relative_to(self.folder).parts
        renamed = [name if part == case else part for part in folders]
        return self.folder.joinpath(*renamed, name + last[len(case) :] if last.startswith(case) else last)


def suffix_of(path: Path) -> str:
    """Return what follows the case's name: `.nii.gz`; "" of a folder of DICOM slices."""
    return path.name[len(stem(path)) :]


def volumes_in(folder: Path, key: str, otherwise: str = "") -> list[Path]:
    """Return the volumes below a folder, sorted.

    Args:
        folder: where they lie.
        key: that names it.
        otherwise: what else the key may be.

    Raises:
        DataError: when the folder is missing or holds no volume.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}: pass {key}=DIR{otherwise}")
    volumes = find_volumes(folder)
    if not volumes:
        raise DataError(f"{folder} holds no volume that segkit reads: pass {key}=DIR{otherwise}")
    return volumes


def volumes_by_name(folder: Path) -> dict[str, Path]:
    """Return the references of a folder by case name, sorted.

    Raises:
        DataError: when the folder is missing, holds no volume, or holds two with one name.
    """
    volumes: dict[str, Path] = {}
    for path in volumes_in(folder, "data.layout.references", UNREFERENCED):
        name = stem(path)
        if name in volumes:
            raise DataError(f"{path} and {volumes[name]} are both called {name}; a case name must be unique")
        volumes[name] = path
    return dict(sorted(volumes.items()))
