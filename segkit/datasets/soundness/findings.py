"""A finding: what is wrong, how badly, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ERROR, WARNING = "error", "warning"

ADVICE = {
    "missing-image": "add the image, or remove the case",
    "missing-reference": "add the reference, or remove the image",
    "unreadable": "copy or export the file again",
    "channel-count": "mend the file, or declare its channels in data.channels",
    "shape-mismatch": "export the files on one grid",
    "spacing-mismatch": "export the files on one grid; one of the headers is wrong",
    "affine-mismatch": "export the files on one grid; one is shifted, turned or mirrored",
    "unexpected-label-value": "declare the value in data.labels, or mend the reference",
    "non-integer-label": "export the reference without interpolation",
    "non-finite": "replace NaN and infinite voxels, or remove the case",
    "constant-image": "export the image again: it shows nothing",
    "empty-reference": "keep it if nothing is there to label",
    "duplicate-image": "remove one of the two",
    "leak": "hold out both or neither; data.split.group_by keeps a patient on one side",
    "spacing-outlier": "look whether the header is right",
    "size-outlier": "look whether the scan is cut, or of another kind",
    "intensity-outlier": "look whether scale or kind differs (CT must be in HU)",
    "label-volume-outlier": "look at the reference",
    "mirrored-reference": "look at image and reference together",
    "sided-labels": "list the pairs in data.mirrored, so that flips swap them",
    "alike-names": "rename one",
    "split": "mend data.split: training refuses it",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        case: its name; "" where it is the data set's.
        severity: `error` where the case cannot be used, else `warning`.
        code: a key of `ADVICE`.
        message: one line: what is wrong, and what to do.
        file: the file it is about; "" where it is about none.
    """

    case: str
    severity: str
    code: str
    message: str
    file: str = ""


def found(case: str, severity: str, code: str, message: str, file: object = "") -> Finding:
    """Return a finding whose message ends with what to do."""
    return Finding(case, severity, code, f"{message}; {ADVICE[code]}", str(file))


def unusable(findings: Iterable[Finding]) -> dict[str, str]:
    """Return the cases that cannot be used, each with the first reason and its file."""
    reasons: dict[str, str] = {}
    for finding in findings:
        if finding.severity == ERROR and finding.case:
            named = finding.message if finding.file in finding.message else f"{finding.file}: {finding.message}"
            reasons.setdefault(finding.case, f"{finding.code}: {named}")
    return reasons


def order(finding: Finding) -> tuple[bool, str, str, str]:
    """Return what findings are sorted by: errors first, then by case and code."""
    return finding.severity != ERROR, finding.case, finding.code, finding.file


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings sorted, as `order` has it."""
    return sorted(findings, key=order)
