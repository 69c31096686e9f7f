"""`segkit check data=NAME`: reads every case and says what is wrong, before anything trains on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from math import prod
from pathlib import Path

from segkit.config.commands import CheckConfig
from segkit.config.targets import check_signatures
from segkit.datasets import Case
from segkit.datasets.dataset import Dataset, open_dataset
from segkit.datasets.presence import label_presence
from segkit.datasets.soundness import Examination, Finding, compare, examine, leaks, unusable
from segkit.datasets.soundness.findings import ERROR, WARNING, found, in_order
from segkit.datasets.splits import split_cases
from segkit.foundation.console import paths_written, progress, say, table
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError
from segkit.foundation.files import check_writable, write_json
from segkit.foundation.parallel import parallel_map
from segkit.volumes.reading import read_grid

RESULT = "check.json"
SIDES = (("left", "right"), ("links", "rechts"), ("_l", "_r"))
MOST = 10  # findings of one code in the table
SHOWN = 5  # cases named in the closing line
BYTES_PER_VOXEL = 40  # the file's values, and float32 copies of the image for its edges
FEW_VOXELS = 20_000_000  # examined sooner in this process than others take to start
BY_LABELS = "labels"


def check(config: CheckConfig) -> list[Finding]:
    """Examine a data set, print what is wrong and write `check.json`.

    Returns:
        the findings, errors first.

    Raises:
        UsageError: when the config does not hold together.
        DataError: when the layout finds no case.
        CasesFailedError: when a case cannot be used; everything is written then.
    """
    check_signatures(config)
    output = Path(config.output) if config.output else Path(config.paths.runs) / config.data.name / "check"
    check_writable(output)
    dataset = open_dataset(config.data)
    examined = examinations(dataset, config.tolerance, config.workers)
    findings = in_order(
        [
            *(finding for each in examined for finding in each.findings),
            *compare(examined, dataset.channels, config.outlier),
            *sided_labels(dataset),
            *split_leaks(dataset, examined, config.fold, config.workers),
        ]
    )
    report(findings, len(dataset.cases))
    write_json(output / RESULT, [asdict(finding) for finding in findings])
    paths_written([output / RESULT])
    bad = unusable(findings)
    if bad:
        raise CasesFailedError(
            f"{len(bad)} of {len(dataset.cases)} cases cannot be used: {', '.join(sorted(bad)[:SHOWN])}"
            f"{' ...' if len(bad) > SHOWN else ''}"
        )
    return findings


def examinations(dataset: Dataset, tolerance: float, workers: int | None) -> list[Examination]:
    """Examine every case, side by side within memory; one that breaks its reader is a finding of its own."""
    look = partial(examine, channels=dict(dataset.channels), labels=dataset.labels, tolerance=tolerance)
    cases = list(dataset.cases.values())
    sizes = [voxels_of(case) for case in cases]
    few = workers is None and sum(sizes) < FEW_VOXELS
    outcomes = parallel_map(
        look, cases, workers=1 if few else workers, bytes_each=max(sizes) * BYTES_PER_VOXEL, name=lambda case: case.name
    )
    examined = []
    for outcome in progress(outcomes, len(cases), "checking cases"):
        broken = found(
            outcome.name, ERROR, "unreadable", str(outcome.error), next(iter(outcome.item.images.values()), "")
        )
        examined.append(outcome.value or Examination(outcome.item, (broken,)))
    return sorted(examined, key=lambda each: each.case.name)


def voxels_of(case: Case) -> int:
    """Return the voxels of a case's images, as far as headers can be read: what cannot is said when it is examined."""
    total = 0
    for path in set(case.images.values()):
        with suppress(SegkitError):
            total += prod(read_grid(path).shape)
    return total


def split_leaks(dataset: Dataset, examined: Sequence[Examination], fold: str, workers: int | None) -> Iterator[Finding]:
    """Yield what stands on both sides of the split, or that the data set cannot be split at all."""
    options, cases = dataset.options.split, list(dataset.cases.values())
    strata = label_presence(cases, dataset.labels, workers) if options.stratify_by == BY_LABELS else None
    images = {each.case.name: list(each.measurements.voxels.values()) for each in examined}
    # A split that is drawn keeps patients and equal images together; one that is listed is taken as it is.
    listed = options.held_out or options.file
    try:
        split = split_cases(cases, replace(options, group_by=None) if listed else options, fold, strata=strata)
    except DataError as error:
        yield found("", ERROR, "leak", str(error), listed or "")
        return
    yield from leaks(dataset.cases, split, options.group_by, images)


def sided_labels(dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding where labels are named left and right and no pair is declared to swap."""
    names = {name.lower(): name for name in dataset.labels.foreground}
    paired = {frozenset(pair) for pair in dataset.options.mirrored}
    for left, right in SIDES:
        for name, label in names.items():
            other = names.get(name.replace(left, right)) if left in name else None
            if other and other != label and frozenset((label, other)) not in paired:
                message = f"{label} and {other} are sided, and no flip of a patch swaps them"
                yield found("", WARNING, "sided-labels", message)


def report(findings: Sequence[Finding], cases: int) -> None:
    """Print a table of the findings, errors first, and how many there are."""
    if findings:
        of_code = {each.code: [other for other in findings if other.code == each.code] for each in findings}
        shown = [each for each in findings if each in of_code[each.code][:MOST]]
        rows = [[each.severity, each.case or "(all)", each.code, each.message] for each in shown]
        table("findings", ["severity", "case", "code", "what, and what to do"], rows)
        for code, same in of_code.items():
            if len(same) > MOST:
                say(f"and {len(same) - MOST} more of {code} in {RESULT}")
    counts: Mapping[str, int] = Counter(each.severity for each in findings)
    say(f"{cases} cases: {counts.get(ERROR, 0)} errors, {counts.get(WARNING, 0)} warnings")
