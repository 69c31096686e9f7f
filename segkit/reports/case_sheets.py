"""What a page needs of each case, made side by side: its volumes for the viewer, a telling plane, volumes of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import prod

from segkit.config.channels import Channel
from segkit.config.labels import Labels
from segkit.foundation.console import progress
from segkit.foundation.errors import SegkitError
from segkit.foundation.parallel import Outcome, parallel_map
from segkit.reports.embedding import Carried, carry, parts_of, windows
from segkit.reports.looking import Files, levels, see, worst_voxel
from segkit.reports.pictures import Plane, plane_of
from segkit.volumes.reading import read_grid

BYTES_PER_VOXEL = 40  # of an image, its turned copy, places and what is compressed
FEW_VOXELS = 20_000_000  # read sooner in this process than others take to start


@dataclass(frozen=True)
class Looks:
    """How cases are shown.

    Attributes:
        channel: the one that is shown.
        channels: of the data set, in order.
        labels: of the data set.
        most: bytes of a page that the volumes of one case may take; None: a server has them, and no page.
    """

    channel: str
    channels: Mapping[str, Channel]
    labels: Labels
    most: int | None

    @property
    def family(self) -> str:
        """Of the channel that is shown."""
        return self.channels[self.channel].family

    @property
    def is_ct(self) -> bool:
        """Whether intensities are HU."""
        return self.family == "ct"

    def volumes(self, files: Files) -> dict[str, bytes]:
        """Return the volumes of a case in full, as NIfTI files; raises as `see` does."""
        return parts_of(see(files, self.channel, self.channels, self.labels), is_ct=self.is_ct)


@dataclass(frozen=True, eq=False)
class CaseSheet:
    """What a page needs of a case.

    Attributes:
        name: of the case.
        carried: its volumes.
        worst: the voxel to look at first, in carried voxels; of a picture counted from below.
        windows: name and the intensities shown as black and white; the first is shown at first.
        plane: through the worst voxel.
        reference_ml: volume of each label in the reference, in ml; {} without one.
        mask_ml: in the mask.
        is_picture: whether it is 2D.
    """

    name: str
    carried: Carried
    worst: tuple[int, int, int]
    windows: Sequence[tuple[str, float, float]]
    plane: Plane
    reference_ml: Mapping[str, float]
    mask_ml: Mapping[str, float]
    is_picture: bool


def case_sheet(files: Files, looks: Looks) -> CaseSheet:
    """Read a case and make its sheet.

    Raises:
        DataError: when a file cannot be read or holds what is not declared.
        GeometryError: when mask or reference do not lie on the image's grid.
    """
    seen = see(files, looks.channel, looks.channels, looks.labels)
    shown = windows(looks.family, levels(seen.grey), is_colour=len(seen.image) > 1)
    worst = worst_voxel(seen)
    plane = plane_of(seen, 2, worst[2], shown[0][1:] if shown else (0.0, 255.0))
    carried = Carried({}, (1, 1, 1)) if looks.most is None else carry(seen, is_ct=looks.is_ct, most=looks.most)
    every = carried.every
    x, y, z = (place // step for place, step in zip(worst, every, strict=True))
    if seen.is_picture:
        y = (seen.image.shape[2] - 1) // every[1] - y
    return CaseSheet(files.name, carried, (x, y, z), shown, plane, seen.reference_ml, seen.mask_ml, seen.is_picture)


def case_sheets(files: Sequence[Files], looks: Looks, workers: int | None) -> Iterator[Outcome[Files, CaseSheet]]:
    """Make the sheets of many cases, in their order; one that cannot be read is an outcome with its error."""
    sizes = [_voxels(each, looks.channel) for each in files]
    few = workers is None and sum(sizes) < FEW_VOXELS
    outcomes = parallel_map(
        partial(case_sheet, looks=looks), files, workers=1 if few else workers,
        bytes_each=max(sizes, default=0) * BYTES_PER_VOXEL, name=lambda each: each.name,
    )  # fmt: skip
    early: dict[int, Outcome[Files, CaseSheet]] = {}
    wanted = 0
    for outcome in progress(outcomes, len(files), "looking at cases"):
        early[outcome.index] = outcome
        while wanted in early:  # in order, so that a page does not depend on which worker was quicker
            yield early.pop(wanted)
            wanted += 1


def _voxels(files: Files, channel: str) -> int:
    with suppress(SegkitError):  # said when the case is read
        return prod(read_grid(files.images[channel]).shape)
    return 0
