"""Which files are the channels of one case: `a_T1.nii.gz` and `a_T2.nii.gz`, T1/a and T2/a, or one file for all."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.foundation.errors import DataError
from segkit.volumes.reading import stem

NUMBERED = re.compile(r"(.+)_(\d{4})")  # nnU-Net's NAME_0000, NAME_0001 in channel order


def images_by_case(
    files: Iterable[Path], channels: Sequence[str], *, folder: Path | None = None, names: Collection[str] = ()
) -> dict[str, dict[str, Path]]:
    """Group image files into cases.

    A channel has a file of its own, called NAME_CHANNEL, NAME_0000 (numbered in channel order), CHANNEL/NAME or
    NAME/CHANNEL; or the file NAME holds all channels. Files of channels that are not declared are passed over where
    they lie beside others of their case. With a single channel a file's whole name is the case's, unless `names` says
    that it is called otherwise.

    Args:
        files: volumes and folders of DICOM slices.
        channels: names, in channel order.
        folder: where the files were looked for; None: the folder that they share.
        names: cases that are known by their references.

    Returns:
        case to channel to file, both in order; where one channel of several is missing, the path where its file should
        lie; where one file holds all channels, it stands under each.

    Raises:
        DataError: when two files are the same channel of one case.
    """
    paths = list(files)
    if not paths:
        return {}
    top = folder or Path(os.path.commonpath([path.parent for path in paths]))
    reader = _Names(tuple(channels), top, frozenset(names), _numbered_beyond(paths, len(channels)))
    readings = {path: reader.read(path) for path in paths}
    owned: dict[str, dict[str, Path]] = {}
    for path, (case, channel) in readings.items():
        if channel is not None:
            _put(owned.setdefault(case, {}), case, channel, path)
    cases = {case: reader.completed(case, found) for case, found in owned.items()}
    for path, (case, channel) in readings.items():
        if channel is None and not reader.is_undeclared(path, case, owned):
            for each in channels:
                _put(cases.setdefault(case, {}), case, each, path)
    return dict(sorted(cases.items()))


def _put(found: dict[str, Path], case: str, channel: str, path: Path) -> None:
    if channel in found:
        raise DataError(f"{path} and {found[channel]} are both called {case}; a case name must be unique")
    found[channel] = path


def _numbered_beyond(paths: Sequence[Path], count: int) -> frozenset[str]:
    """Return the names whose numbered files are more than there are channels: those numbers count cases."""
    matches = [match for path in paths if (match := NUMBERED.fullmatch(stem(path)))]
    return frozenset(match[1] for match in matches if int(match[2]) >= count)


@dataclass(frozen=True)
class _Names:
    """What the names of files say.

    Attributes:
        channels: those declared, in order.
        top: the folder whose own name says nothing.
        known: cases that have a reference.
        counted: names before a number which counts cases and not channels, unless they are known.
    """

    channels: tuple[str, ...]
    top: Path
    known: frozenset[str]
    counted: frozenset[str]

    def read(self, path: Path) -> tuple[str, str | None]:
        """Return the case of a file, and its channel; None where it holds all of them."""
        name, parent = stem(path), "" if path.parent == self.top else path.parent.name
        if name not in self.known:
            # The longest first: where T1 and post_T1 are channels, a_post_T1 is the latter of a and not T1 of a_post.
            for channel in sorted(self.channels, key=len, reverse=True):
                case = name.removesuffix(f"_{channel}")
                if case != name and self._may_be(case):
                    return case, channel
            if name in self.channels and self._may_be(path.parent.name):
                return path.parent.name, name
        if parent in self.channels and (len(self.channels) > 1 or name in self.known):
            return name, parent
        match = NUMBERED.fullmatch(name)
        if match and name not in self.known and self._may_be(match[1]) and int(match[2]) < len(self.channels):
            is_channel = match[1] in self.known or match[1] not in self.counted
            return (match[1], self.channels[int(match[2])]) if is_channel else (name, None)
        return name, None

    def _may_be(self, case: str) -> bool:
        return bool(case) and (len(self.channels) > 1 or case in self.known)

    def is_undeclared(self, path: Path, name: str, owned: dict[str, dict[str, Path]]) -> bool:
        """Say whether a file lies among the channel files of a case as one more channel: `a_FLAIR` beside `a_T1`."""
        if name in self.known and name not in owned:
            return False
        ends = [place for place, letter in enumerate(name) if letter == "_"]
        beside = {each.parent for end in ends for each in owned.get(name[:end], {}).values()}
        within = {each.parent for each in owned.get(path.parent.name, {}).values()}
        folders = {each.parent.parent for each in owned.get(name, {}).values() if each.parent.name in self.channels}
        is_in_folder = path.parent != self.top and path.parent.parent in folders
        return path.parent in beside | (within - {self.top}) or is_in_folder

    def completed(self, case: str, found: dict[str, Path]) -> dict[str, Path]:
        """Return the files of every channel in order, missing ones where they should lie."""
        known, path = next(iter(found.items()))
        return {channel: found.get(channel) or self._beside(path, case, known, channel) for channel in self.channels}

    def _beside(self, path: Path, case: str, known: str, wanted: str) -> Path:
        """Return where the file of another channel should lie, seen from the file of one."""
        name = stem(path)
        suffix = path.name[len(name) :]
        is_in_folder = path.parent.name == known and path.parent != self.top
        parent = path.parent.parent / wanted if is_in_folder else path.parent
        if name == case:
            return parent / path.name
        if name == known:
            return path.parent / f"{wanted}{suffix}"
        if name == f"{case}_{known}":
            return parent / f"{case}_{wanted}{suffix}"
        return path.parent / f"{case}_{self.channels.index(wanted):04d}{suffix}"
