"""`segkit measure masks=DIR images=DIR output=FILE.csv`: volume, shape and intensities of each label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from segkit.config.commands import MeasureConfig
from segkit.config.labels import Declared
from segkit.datasets.channel_files import images_by_case
from segkit.datasets.parquet import check_parquet, write_parquet
from segkit.datasets.table import PARQUET
from segkit.evaluation.feature_table import as_columns, as_csv, summary_of
from segkit.evaluation.measure import Case, Measurements, Wanted, measure_cases
from segkit.foundation.console import paths_written, table, warn
from segkit.foundation.errors import CasesFailedError, DataError
from segkit.foundation.failures import say_failures
from segkit.foundation.files import check_writable, write_text
from segkit.foundation.suggestions import some_of
from segkit.runs.manifest import read_manifest
from segkit.volumes.reading import find_volumes, stem

ONLY_CHANNEL = ("image",)


class Cohort(NamedTuple):
    """Masks beside their images.

    Attributes:
        cases: what can be measured.
        failed: case -> why it cannot.
        labels: as recorded beside the masks; None where they are not.
    """

    cases: list[Case]
    failed: dict[str, str]
    labels: Declared | None


def measure(config: MeasureConfig) -> Measurements:
    """Measure masks, print a table, and write one row per case, label and component.

    Returns:
        what was written.

    Raises:
        DataError: when there is no mask, no image has a mask's name, or no mask holds a label.
        MissingExtraError: when the output is Parquet and nothing that writes it is installed.
        CasesFailedError: when cases could not be measured, each named already; the others were.
    """
    output = Path(config.output or "")
    is_parquet = output.suffix.lower() in PARQUET
    if is_parquet:
        check_parquet(f"writing {output}")
    cohort = cohort_of(config)
    check_writable(output.parent)
    wanted = Wanted(config.labels or cohort.labels, config.components, config.bin_width, config.grid_tolerance)
    measured = measure_cases(cohort.cases, wanted, workers=config.workers, failed=cohort.failed)
    say_failures(measured.failed)
    if measured.unnamed:
        values = some_of([str(value) for value in measured.unnamed], 8)
        warn(f"masks hold the values {values}, which labels do not name: they are not measured")
    if measured.rows:
        table("", *summary_of(measured))
        if is_parquet:
            write_parquet(output, as_columns(measured))
        else:
            write_text(output, as_csv(measured))
        paths_written([output])
    if measured.failed:
        raise CasesFailedError(f"{len(measured.failed)} cases could not be measured: {some_of(measured.failed)}")
    return measured


def cohort_of(config: MeasureConfig) -> Cohort:
    """Find the masks, and the image of each by its name.

    Raises:
        DataError: when there is no mask, or no image has a mask's name.
    """
    place = Path(config.masks or "")
    manifest = read_manifest(place if place.is_dir() else place.parent)
    others = manifest.beside_masks(place)
    masks, failed = alone([path for path in find_volumes(place) if path not in others] if place.is_dir() else [place])
    if not masks and not failed:
        raise DataError(f"{place} holds no volume that segkit reads")
    if place.is_dir():
        named = masks.keys() | failed.keys()
        failed |= {case: f"it was not segmented: {why}" for case, why in manifest.failed.items() if case not in named}
    if config.images is None:
        return Cohort([Case(case, path, {}) for case, path in masks.items()], failed, manifest.labels)
    channels = tuple(config.channels or ONLY_CHANNEL)
    images, unpaired = images_of(Path(config.images), channels, list(masks), is_one=not place.is_dir())
    cases = [Case(case, path, images[case]) for case, path in masks.items() if case in images]
    return Cohort(cases, failed | unpaired, manifest.labels)


def alone(paths: Sequence[Path]) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the file of each case, and the cases whose name two files have, with the reason."""
    cases: dict[str, list[Path]] = {}
    for path in paths:
        cases.setdefault(stem(path), []).append(path)
    failed = {
        case: f"{' and '.join(map(str, same))} have one case name: keep or rename one"
        for case, same in cases.items()
        if len(same) > 1
    }
    return {case: same[0] for case, same in sorted(cases.items()) if case not in failed}, failed


def images_of(
    place: Path, channels: Sequence[str], cases: Sequence[str], *, is_one: bool
) -> tuple[Mapping[str, Mapping[str, Path]], dict[str, str]]:
    """Return case -> channel -> image, and the cases that have none, with the reason.

    Args:
        place: a folder of images; a file, or the folder of one DICOM series, is the image of every case.
        channels: names, in channel order.
        cases: names of the masks.
        is_one: whether a single mask was named, so that a file need not have its name.

    Raises:
        DataError: when no image has the name of a case.
    """
    files = find_volumes(place) if place.is_dir() else [place]
    if files == [place]:
        return {case: dict.fromkeys(channels, place) for case in cases}, {}
    failed: dict[str, str] = {}
    if len(channels) == 1:
        single, failed = alone(files)
        files = list(single.values())
    found = images_by_case(files, channels, folder=place, names=cases)
    if cases and not set(cases) & (found.keys() | failed.keys()):
        some = f", e.g. {min(found)} for {min(cases)}" if found else ""
        raise DataError(f"no image in {place} has the name of a mask{some}")
    unused = len(found.keys() - set(cases))
    if unused and not is_one:
        warn(f"{unused} images have no mask and are left out")
    failed = {case: why for case, why in failed.items() if case in cases}
    missing = {case: f"no image in {place} has its name" for case in cases if case not in found and case not in failed}
    return found, failed | missing
