"""A synthetic CT cohort on disk: DICOM series, DICOM SEG references and a held-out list, all decided by one seed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from segkit.datasets.phantom.acquisition import draw_acquisition
from segkit.datasets.phantom.anatomy import LABELS, draw_anatomy
from segkit.datasets.phantom.baseline import Pair
from segkit.datasets.phantom.dicom import Study, write_series
from segkit.datasets.phantom.scanner import reference_of, scan
from segkit.datasets.phantom.segmentation import write_segmentation
from segkit.foundation.console import progress
from segkit.foundation.counted import generator
from segkit.foundation.errors import CasesFailedError, DataError, UsageError
from segkit.foundation.files import atomic_folder, read_json, write_json, write_text
from segkit.foundation.parallel import parallel_map

_RECORD = "cohort.json"
_RECIPE = 2  # counts changes of what a seed gives, so that an older cohort is not taken for today's
_TWINS = 2  # held-out images that are written as NIfTI too
_NOISE = (8.0, 13.0)  # HU


@dataclass(frozen=True)
class Cohort:
    """A cohort on disk.

    Attributes:
        folder: holds `images/CASE/`, `labels/CASE.dcm`, `nifti/CASE.nii.gz` of a few, and `held_out.txt`.
        cases: every case, sorted.
        held_out: those that no training may see, sorted.
        labels: name to value in the references.
    """

    folder: Path
    cases: tuple[str, ...]
    held_out: tuple[str, ...]
    labels: Mapping[str, int] = field(default_factory=lambda: dict(LABELS))

    @property
    def images(self) -> Path:
        """Folder of DICOM series, one folder per case."""
        return self.folder / "images"

    @property
    def references(self) -> Path:
        """Folder of references, one DICOM SEG per case."""
        return self.folder / "labels"

    @property
    def twins(self) -> Path:
        """Folder of a few held-out images as NIfTI."""
        return self.folder / "nifti"

    @property
    def held_out_file(self) -> Path:
        """The held-out list, one case a line."""
        return self.folder / "held_out.txt"

    @property
    def training(self) -> tuple[str, ...]:
        """The cases that are not held out, sorted."""
        return tuple(case for case in self.cases if case not in self.held_out)

    def pair(self, case: str) -> Pair:
        """Return the series and the reference of a case."""
        return self.images / case, self.references / f"{case}.dcm"


@dataclass(frozen=True)
class _Task:
    """One case to write into a cohort's folder."""

    folder: Path
    seed: int
    index: int
    with_twin: bool

    @property
    def case(self) -> str:
        return case_name(self.index)


def make_cohort(
    folder: str | os.PathLike[str], *, cases: int = 24, seed: int, held_out: int = 6, workers: int | None = None
) -> Cohort:
    """Write a cohort of synthetic abdominal CTs, or find it when it was written before.

    Args:
        folder: where to write; it appears only when every case is there.
        cases: number of patients; case number i is the same in a cohort of any size.
        seed: decides every byte.
        held_out: how many cases the held-out list names.
        workers: processes; None takes the cores that this process may use.

    Returns:
        Where everything lies.

    Raises:
        UsageError: when no case would be left to train on.
        SegkitError: when `folder` holds something else.
        CasesFailedError: when a case could not be made.
        OSError: when the disk is full or read-only.
    """
    if cases < 1 or not 0 <= held_out < cases:
        raise UsageError(f"a cohort of {cases} cases cannot hold out {held_out}: leave at least one to train on")
    folder = Path(folder)
    recipe = {"recipe": _RECIPE, "cases": cases, "seed": seed, "held_out": held_out}
    names = tuple(case_name(index) for index in range(cases))
    chosen = np.sort(generator(seed, cases, held_out).permutation(cases)[:held_out]).tolist()
    cohort = Cohort(folder, names, tuple(names[index] for index in chosen))
    if _is_written(folder, recipe):
        return cohort
    with atomic_folder(folder) as unfinished:
        tasks = [_Task(unfinished, seed, index, index in chosen[:_TWINS]) for index in range(cases)]
        _write_all(tasks, workers)
        write_text(unfinished / cohort.held_out_file.name, "".join(f"{case}\n" for case in cohort.held_out))
        write_json(unfinished / _RECORD, recipe)
    return cohort


def case_name(index: int) -> str:
    """Return the name of case `index`, counted from 0."""
    return f"phantom_{index + 1:03d}"


def _is_written(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Tell whether `folder` holds exactly this cohort.

    Raises:
        DataError: when it holds another cohort.
    """
    record = folder / _RECORD
    if not record.is_file():
        return False
    if read_json(record) != recipe:
        raise DataError(f"{folder} holds another synthetic cohort: remove it or choose another folder")
    return True


def _write_all(tasks: list[_Task], workers: int | None) -> None:
    """Write every case; the first failure is the message, since a cohort is whole or absent."""
    outcomes = parallel_map(_write_case, tasks, workers=workers, name=lambda task: task.case)
    for outcome in progress(outcomes, len(tasks), "making scans"):
        if outcome.error is not None:
            raise CasesFailedError(f"{outcome.item.case} could not be made: {outcome.error}")


def _write_case(task: _Task) -> None:
    """Draw, scan and write one patient."""
    from segkit.volumes.reading import read_grid
    from segkit.volumes.volume import Volume
    from segkit.volumes.writing import write

    rng = generator(task.seed, task.index)
    acquisition = draw_acquisition(rng, task.index)
    # A lesion of two and a half voxels leaves some in the reference wherever it lies.
    smallest = 2.5 * max(acquisition.spacing) / float(acquisition.habitus.min())
    tissues = draw_anatomy(acquisition.body_points(), rng, smallest_lesion=smallest)
    hu = scan(tissues, acquisition.spacing, rng, noise=rng.uniform(*_NOISE))

    series = task.folder / "images" / task.case
    series.mkdir(parents=True)
    names = rng.permutation(acquisition.shape[2]) + 1
    study = Study(task.case, task.seed)
    write_series(hu, acquisition, study, series, names=names.tolist())
    references = task.folder / "labels"
    references.mkdir(exist_ok=True)
    write_segmentation(reference_of(tissues), series, LABELS, references / f"{task.case}.dcm", study.uid)
    if task.with_twin:
        # The reader alone knows how DICOM's axes become an affine, so the twin takes its grid from what was written.
        write(Volume(hu[None], read_grid(series)), task.folder / "nifti" / f"{task.case}.nii.gz")
