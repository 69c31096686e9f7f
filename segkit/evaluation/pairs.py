"""Matches a folder of predictions with a folder of references by case name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from segkit.foundation.errors import DataError
from segkit.volumes.reading import find_volumes, stem


@dataclass(frozen=True)
class Matched:
    """What two folders have in common.

    Attributes:
        pairs: case -> (mask, reference), sorted by case.
        failed: case -> why a reference cannot be compared.
        missing: references without a prediction.
        skipped: predictions without a reference.
    """

    pairs: dict[str, tuple[Path, Path]]
    failed: dict[str, str]
    missing: tuple[Path, ...]
    skipped: tuple[Path, ...]


def match_folders(predictions: Path, references: Path, *, leave_out: Collection[Path] = ()) -> Matched:
    """Match masks and references whose file names are the same up to the suffix.

    Args:
        predictions: folder of masks, searched at any depth.
        references: folder of the expert's segmentations, likewise.
        leave_out: volumes among the predictions that are no masks.

    Returns:
        The pairs; a name that stands for two files is a failed case.

    Raises:
        DataError: when a folder holds no volume, or no name stands in both.
    """
    masks, experts = _by_case(predictions, leave_out), _by_case(references)
    pairs: dict[str, tuple[Path, Path]] = {}
    failed: dict[str, str] = {}
    missing: list[Path] = []
    for case, reference_paths in sorted(experts.items()):
        mask_paths = masks.get(case, [])
        folder, several = (predictions, mask_paths) if len(mask_paths) > 1 else (references, reference_paths)
        if not mask_paths:
            missing.append(reference_paths[0])
        elif len(several) > 1:
            names = " and ".join(str(path.relative_to(folder)) for path in several)
            failed[case] = f"{names} in {folder} have one case name: keep or rename one"
        else:
            pairs[case] = (mask_paths[0], reference_paths[0])
    if not set(masks) & set(experts):
        raise DataError(
            f"no file of {predictions} has the name of a reference in {references} (e.g. {_first(masks)} beside "
            f"{_first(experts)}): they pair by file name up to the suffix; rename one to the other"
        )
    # No mistake: predictions may be of more scans than those that an expert has drawn.
    skipped = tuple(path for case, paths in sorted(masks.items()) if case not in experts for path in paths)
    return Matched(pairs, failed, tuple(missing), skipped)


def _first(cases: Mapping[str, list[Path]]) -> str:
    return cases[min(cases)][0].name


def _by_case(folder: Path, leave_out: Collection[Path] = ()) -> dict[str, list[Path]]:
    cases: dict[str, list[Path]] = {}
    for path in find_volumes(folder):
        if path not in leave_out:
            cases.setdefault(stem(path), []).append(path)
    if not cases:
        raise DataError(f"{folder} holds no volume that segkit reads")
    return cases
