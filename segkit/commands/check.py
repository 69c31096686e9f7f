"""`segkit check data=NAME`: reads every case and says what is wrong, before anything trains on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from segkit.commands.prepared_check import check_prepared
from segkit.config.commands import CheckConfig
from segkit.config.targets import check_signatures
from segkit.datasets.dataset import Dataset, open_dataset
from segkit.datasets.folds import grouped
from segkit.datasets.side_by_side import over_cases, voxels_in
from segkit.datasets.soundness import Examination, Finding, compare, examine, leaks, unusable, written_splits
from segkit.datasets.soundness.findings import ERROR, WARNING, found, in_order, order
from segkit.datasets.splits import ALL, BY_LABELS, split_cases, strata_column
from segkit.foundation.console import paths_written, say, table, warn
from segkit.foundation.errors import CasesFailedError, DataError
from segkit.foundation.failures import FEW, kind_of
from segkit.foundation.files import check_writable, write_json
from segkit.foundation.suggestions import some_of
from segkit.reports.dataset_page import sketch, write_dataset_page

RESULT, PAGE = "check.json", "check.html"
SIDES = {"left": "right", "l": "r", "lt": "rt", "lh": "rh", "links": "rechts", "gauche": "droite"}
WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")  # of names like left_kidney, LeftKidney, kidney-L
MOST = 10  # findings of one code in the table
BYTES_PER_VOXEL = 24  # the values of an image and its reference, at most float64, and what is counted of them


def check(config: CheckConfig) -> list[Finding]:
    """Examine a data set, print what is wrong and write `check.json` and `check.html`.

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
    cases, split = list(dataset.cases.values()), config.data.split
    grouped(cases, split.group_by)
    strata_column(cases, None if split.stratify_by == BY_LABELS else split.stratify_by)
    examined = examinations(dataset, config.grid_tolerance, config.workers)
    findings = in_order(
        [
            *(finding for each in examined for finding in each.findings),
            *compare(examined, dataset.channels, config.outlier),
            *sided_labels(dataset),
            *split_faults(dataset, examined),
        ]
    )
    show(findings, len(dataset.cases), Path(config.data.root))
    check_prepared(dataset, Path(config.paths.cache))
    write_json(output / RESULT, [asdict(finding) for finding in findings])
    write_dataset_page(dataset, examined, findings, output / PAGE)
    paths_written([output / RESULT, output / PAGE])
    bad = unusable(findings)
    if bad:
        raise CasesFailedError(f"{len(bad)} of {len(dataset.cases)} cases cannot be used: {some_of(sorted(bad))}")
    return findings


def examinations(dataset: Dataset, tolerance: float, workers: int | None) -> list[Examination]:
    """Examine every case, side by side within memory; one that breaks its reader is a finding of its own."""
    draw = partial(sketch, labels=dataset.labels)
    look = partial(examine, channels=dict(dataset.channels), labels=dataset.labels, tolerance=tolerance, look=draw)
    cases = list(dataset.cases.values())
    outcomes = over_cases(
        look,
        cases,
        [voxels_in(case.images.values()) for case in cases],
        bytes_per_voxel=BYTES_PER_VOXEL,
        workers=workers,
        what="checking cases",
    )
    examined = []
    for outcome in outcomes:
        broken = found(
            outcome.name, ERROR, "unreadable", str(outcome.error), next(iter(outcome.item.images.values()), "")
        )
        examined.append(outcome.value or Examination(outcome.item, (broken,)))
    return sorted(examined, key=lambda each: each.case.name)


def split_faults(dataset: Dataset, examined: Sequence[Examination]) -> list[Finding]:
    """Return what stands on both sides of the split; or else why there can be none."""
    options = dataset.options.split
    if options.held_out and not Path(options.held_out).is_file():
        warn(f"data.split.held_out: there is no file {options.held_out}; no split is looked through")
        return []
    images = {each.case.name: list(each.measurements.voxels.values()) for each in examined}
    strata = {each.case.name: labels_present(each) for each in examined} if options.stratify_by == BY_LABELS else None
    leaking: dict[str, Finding] = {}
    try:
        for split in written_splits(dataset.cases, options):
            for finding in leaks(dataset.cases, split, options.group_by, images):
                leaking.setdefault(finding.case, finding)
        if not leaking and not options.file:
            split_cases(list(dataset.cases.values()), options, ALL, together=equal_images(images), strata=strata)
    except DataError as error:
        return [found("", WARNING, "split", str(error), options.held_out or options.file or "")]
    return list(leaking.values())


def labels_present(examined: Examination) -> str:
    """Return the names of the labels that a case has, by which it is stratified."""
    return ", ".join(name for name, volume in examined.measurements.volumes.items() if volume)


def equal_images(images: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """Return the sets of cases that share an image."""
    names: dict[str, set[str]] = {}
    for name, digests in images.items():
        for digest in digests:
            names.setdefault(digest, set()).add(name)
    return [same for same in names.values() if len(same) > 1]


def sided_labels(dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding where labels are named left and right and no pair is declared to swap."""
    names = {words_of(name): name for name in dataset.labels.foreground}
    paired = {frozenset(pair) for pair in dataset.options.mirrored}
    for words, label in names.items():
        for place, word in enumerate(words):
            partner = names.get((*words[:place], SIDES.get(word, ""), *words[place + 1 :]))
            if partner and frozenset((label, partner)) not in paired:
                message = f"{label} and {partner} are sided, and no flip of a patch swaps them"
                yield found("", WARNING, "sided-labels", message)


def words_of(label: str) -> tuple[str, ...]:
    """Return the words of a label's name in small letters: of `LeftKidney` and `left_kidney` left, kidney."""
    return tuple(word.lower() for word in WORDS.findall(label))


def show(findings: Sequence[Finding], cases: int, root: Path) -> None:
    """Print a table of the findings, errors first, with files as seen from `root`, and how many there are."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        kind = kind_of(finding.case, finding.message) if finding.case else finding.message
        alike.setdefault((finding.severity, finding.code, kind), []).append(finding)
    lines: dict[str, list[list[Finding]]] = {}
    for (_, code, _), same in alike.items():
        lines.setdefault(code, []).extend([same] if len(same) > FEW else [[each] for each in same])
    if findings:
        shown = sorted((line for of_code in lines.values() for line in of_code[:MOST]), key=lambda line: order(line[0]))
        table(
            "findings",
            ["severity", "case", "code", "file", "what, and what to do"],
            [row(line, root) for line in shown],
        )
        for code, of_code in lines.items():
            if len(of_code) > MOST:
                say(f"and {sum(map(len, of_code[MOST:]))} more of {code} in {RESULT}")
    counts = Counter(each.severity for each in findings)
    say(f"{cases} cases; errors: {counts[ERROR]}, warnings: {counts[WARNING]}")


def row(alike: Sequence[Finding], root: Path) -> list[str]:
    """Return the cells of one finding, or of many that differ in nothing but case and file."""
    first = alike[0]
    case, file = first.case or "(all)", from_root(first.file, root)
    if len(alike) > 1:
        names = list(dict.fromkeys(each.case for each in alike))
        case, file = f"{len(names)} cases: {some_of(names, FEW)}", f"{file} ..."
    return [first.severity, case, first.code, file, first.message]


def from_root(file: str, root: Path) -> str:
    """Return a path as seen from a folder above it, others as they are."""
    return str(Path(file).relative_to(root)) if Path(file).is_relative_to(root) else file
