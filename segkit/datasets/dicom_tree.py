"""A DICOM export whose references are DICOM SEG objects or structure sets, matched to their series by UID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from segkit.config.labels import BACKGROUND, IGNORE
from segkit.config.options import DicomOptions, SeriesOptions
from segkit.config.typed import typed
from segkit.datasets.case import Case, Description, Layout
from segkit.datasets.dataset_json import check_unique
from segkit.foundation.console import progress, warn
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.parallel import parallel_map
from segkit.foundation.suggestions import did_you_mean, listed
from segkit.volumes.dicom.choosing import chosen, fits
from segkit.volumes.dicom.datasets import read_dataset
from segkit.volumes.dicom.exports import gives_away
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.dicom.labelled import Drawn
from segkit.volumes.dicom.references import (
    READERS,
    Pattern,
    ReferenceSelection,
    Stroke,
    belongs_to,
    matching,
    plain_name,
    read_drawn,
)
from segkit.volumes.dicom.selection import SeriesSelection, selections
from segkit.volumes.dicom.series import images_in, look_through

FAMILIES = {"CT": "ct", "MR": "mr", "PT": "pet"}  # of modalities; others have none
NAMES = ("uid", "folder", "patient")
FEW_OBJECTS = 8  # are read sooner than worker processes start


@dataclass(frozen=True)
class DicomTree(Layout):
    """Each image series with segments is a case; with several channels, each study.

    Attributes:
        root: folder of the export, of any depth and file names.
        labels: as `data.labels`, each of one value; None: every name that a segment has, numbered in order.
        segments: label to patterns of segment labels or ROI names (in any case, with `*`), or to segment numbers; a
            label that stands here not is every segment of its own name.
        series: filter for the image series, as `series` of `segkit predict`; with several channels one for each.
        references: which objects are read, `SEG` and `RTSTRUCT`.
        name_by: what a case is called after: `uid` (a hash of the SeriesInstanceUID), `folder` (of the series) or
            `patient` (the PatientID as it stands, for data whose IDs are pseudonyms).
        unreferenced: whether series without segments are cases too.
        gaps: of uneven slices, `refuse` or `resample`.
        volumes: of 4D series, `split` or `channels`.
        padding: of pixels outside the scanner's view, `keep` or `lowest`.
    """

    root: str
    labels: Mapping[str, Any] | None = None
    segments: Mapping[str, Sequence[Pattern] | Pattern] | None = None
    series: Mapping[str, Any] | None = None
    references: Sequence[str] = tuple(READERS)
    name_by: str = NAMES[0]
    unreferenced: bool = False
    gaps: str = "refuse"
    volumes: str = "split"
    padding: str = "keep"

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return every case, sorted by name.

        Raises:
            DataError: when the export holds no such series, or no segment is called as a label is.
            UsageError: when an argument is not what it can be, or channels have no filter.
        """
        names = list(channels)
        if self.name_by not in NAMES:
            raise UsageError(f"data.layout.name_by: {self.name_by} is not one of {listed(NAMES)}")
        self._check_segments()
        self._check_labels()
        found = self._by_study(names) if len(names) > 1 and self.volumes == "split" else self._by_series(names)
        self._name_strays()
        cases = [self._case(images) for images in found]
        kept = self._named([case for case in cases if case.reference is not None or self.unreferenced])
        if not kept:
            raise DataError(f"{self.root}: no SEG and no structure set in it was drawn on a series in it")
        check_unique([case.name for case in kept], self.root)
        return sorted(kept, key=lambda case: case.name)

    def describe(self) -> Description:
        """Return a channel of the commonest modality that was drawn on, and the labels: every segment's name."""
        picks = [pick for pick in self._picks if self._drawn_on[pick]] or self._picks
        modality = Counter(pick.stacks[0].first.modality for pick in picks).most_common(1)[0][0]
        return Description({modality: FAMILIES.get(modality, "none")}, self._values)

    @cached_property
    def _values(self) -> dict[str, int]:
        """Value of each label without the background, in the order in which they are drawn."""
        if self.labels is None:
            spellings = {plain_name(name): name for each in self._drawn for name in reversed(list(each.names.values()))}
            names = sorted(name for plain, name in spellings.items() if plain != BACKGROUND)
            return {BACKGROUND: 0, **{name: value for value, name in enumerate(names, start=1)}}
        several = [name for name, value in self.labels.items() if not isinstance(value, int)]
        if several:
            raise UsageError(f"data.labels: {several[0]} is to have one value, since a segment is drawn with it")
        return dict(self.labels)

    @cached_property
    def _export(self) -> Any:
        return look_through(Path(self.root))

    @cached_property
    def _picks(self) -> list[SeriesSelection]:
        options = DicomOptions(gaps=self.gaps, volumes=self.volumes, padding=self.padding)
        stacks = chosen(images_in(self._export), None, Path(self.root))
        return selections(stacks, Path(self.root), options)

    @cached_property
    def _drawn(self) -> list[Drawn]:
        """What every SEG and structure set says; one that cannot be read is named, and costs its own case only."""
        for reason in self._export.unreadable.values():
            warn(reason)
        files = [other.file for other in self._export.others if other.modality in self.references]
        are_few = len(files) <= FEW_OBJECTS
        found = parallel_map(read_drawn, files, workers=1 if are_few else None)
        shown = found if are_few else progress(found, len(files), "reading segmentations")
        outcomes = sorted(shown, key=lambda outcome: outcome.index)
        for outcome in outcomes:
            if outcome.error:
                warn(outcome.error)
        return [outcome.value for outcome in outcomes if outcome.value is not None]

    @cached_property
    def _drawn_on(self) -> dict[SeriesSelection, list[Drawn]]:
        """What was drawn on each series."""
        return {pick: [each for each in self._drawn if belongs_to(each, pick)] for pick in self._picks}

    def _check_labels(self) -> None:
        """Make sure that every label has a segment somewhere: a misspelt name must not become background."""
        for label in self._foreground():
            if self._drawn and label != IGNORE and not any(self._numbers(each, label) for each in self._drawn):
                known = names_in(self._drawn)
                raise DataError(
                    f"{self.root}: no segment is called {label}; there are {known}; name those that are meant in "
                    f"data.layout.segments, e.g. {{{label}: ['*{label}*']}}"
                )

    def _foreground(self) -> list[str]:
        return [name for name, value in self._values.items() if name != BACKGROUND and value]

    def _check_segments(self) -> None:
        """Refuse patterns of a label that is not declared."""
        for label in self.segments or {}:
            if label not in self._values:
                known = list(self._values)
                hint = did_you_mean(label, known) or ";"
                raise UsageError(f"data.layout.segments: {label} is not a label{hint} labels: {listed(known)}")

    def _name_strays(self) -> None:
        """Name the objects whose series is not there, or cannot be used."""
        placed = {each.file for drawn in self._drawn_on.values() for each in drawn}
        for each in self._drawn:
            if each.file not in placed:
                warn(f"{each.file}: was drawn on a series that is not here, or that holds no image with a place")

    def _numbers(self, drawn: Drawn, label: str) -> list[int]:
        patterns = (self.segments or {}).get(label)
        wanted = [patterns] if isinstance(patterns, str | int) else patterns
        return matching(drawn.names, label, wanted)

    def _by_series(self, channels: Sequence[str]) -> list[dict[str, SeriesSelection]]:
        wanted = self._filter(self.series, "data.layout.series")
        fitting = [pick for pick in self._picks if wanted is None or fits(pick.stacks[0], wanted)]
        return [dict.fromkeys(channels, pick) for pick in fitting]

    def _by_study(self, channels: Sequence[str]) -> list[dict[str, SeriesSelection]]:
        """Return the series of each channel by study; studies that lack one are left out, and named."""
        lacking = [name for name in channels if name not in (self.series or {})]
        if lacking:
            raise UsageError(
                f"data.layout.series says which series is which channel, and has nothing of {lacking[0]}: write e.g. "
                f"{{{lacking[0]}: {{description: '*{lacking[0]}*'}}}}"
            )
        studies: dict[str, list[SeriesSelection]] = {}
        for pick in self._picks:
            studies.setdefault(pick.stacks[0].first.study, []).append(pick)
        found = []
        for study, picks in studies.items():
            images = {name: self._one_of(picks, name) for name in channels}
            if all(images.values()):
                found.append({name: image for name, image in images.items() if image is not None})
            else:
                missing = [name for name, image in images.items() if image is None]
                warn(f"the study {hashed(study)} has not exactly one series of {', '.join(missing)} and is left out")
        return found

    def _one_of(self, picks: Sequence[SeriesSelection], channel: str) -> SeriesSelection | None:
        wanted = self._filter((self.series or {})[channel], f"data.layout.series.{channel}")
        fitting = [pick for pick in picks if wanted is None or fits(pick.stacks[0], wanted)]
        return fitting[0] if len(fitting) == 1 else None

    def _filter(self, given: Mapping[str, Any] | None, key: str) -> SeriesOptions | None:
        """Read a filter; keys that it lacks are not asked for."""
        if given is None:
            return None
        return typed(SeriesOptions, {**{field.name: None for field in fields(SeriesOptions)}, **given}, key)

    def _case(self, images: Mapping[str, SeriesSelection]) -> Case:
        first = next(iter(images.values()))
        one = first.stacks[0].first
        columns = {"patient": one.patient, "study": hashed(one.study), "modality": one.modality}
        on = [image for image in dict.fromkeys(images.values()) if self._drawn_on[image]]
        if not on:
            return Case(first.name, images, None, columns)
        objects = list(dict.fromkeys(each for image in on for each in self._drawn_on[image]))
        return Case(first.name, images, self._reference(on[0], objects, apart(on)), columns)

    def _reference(self, series: SeriesSelection, drawn: Sequence[Drawn], fault: str) -> ReferenceSelection:
        strokes = []
        for label in self._foreground():
            own = [each for each in drawn if self._numbers(each, label)]
            if len(own) > 1:
                files = " and ".join(each.file.name for each in own[:2])
                fault = f"{label} of series {series.name} is drawn in {files}: leave one out, or out of references"
            strokes += [
                Stroke(self._values[label], each.file, number) for each in own for number in self._numbers(each, label)
            ]
        if not strokes:
            fault = f"{drawn[0].file}: no segment is called as a label is; there are {names_in(drawn)}"
        return ReferenceSelection(series, tuple(strokes), fault)

    def _named(self, cases: Sequence[Case]) -> list[Case]:
        """Return the cases under the names that were asked for; those of one name are told apart by their series."""
        wanted = {case.name: self._name(case) for case in cases}
        counts = Counter(wanted.values())
        return [
            Case(
                wanted[case.name] if counts[wanted[case.name]] == 1 else f"{wanted[case.name]}_{case.name}",
                case.images,
                case.reference,
                case.columns,
            )
            for case in cases
        ]

    def _name(self, case: Case) -> str:
        first = next(iter(case.images.values()))
        assert isinstance(first, SeriesSelection)
        if self.name_by == "folder":
            return case.name if gives_away(first.files[0]) else first.parent.name
        if self.name_by == "patient":
            return str(read_dataset(first.files[0], only=["PatientID"]).get("PatientID", "")) or case.name
        return case.name


def names_in(drawn: Sequence[Drawn]) -> str:
    """Return what the segments of some objects are called, for errors."""
    return listed(sorted({name for each in drawn for name in each.names.values()}))


def apart(series: Sequence[SeriesSelection]) -> str:
    """Return why segments of several series cannot be drawn on the first one; "" where all lie on one grid."""
    try:
        for other in series[1:]:
            what = f"the series {series[0].name} and {other.name}, both of which were drawn on,"
            series[0].read_grid().check_same_as(other.read_grid(), what=what)
    except DataError as error:
        return str(error)
    return ""
