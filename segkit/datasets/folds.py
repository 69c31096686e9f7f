"""Groups of cases that stay together, dealt into folds in which every stratum is equally frequent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from segkit.datasets.case import Case
from segkit.foundation.counted import generator
from segkit.foundation.errors import UsageError

Group = tuple[str, ...]


def grouped(cases: Sequence[Case], by: str | None, together: Sequence[Collection[str]] = ()) -> list[Group]:
    """Return the cases in groups that must not be divided, each sorted, in order of their first names.

    Args:
        cases: every case.
        by: a column whose equal values make a group; a case without a value stands alone. None: each case alone.
        together: further sets of names that belong together; sets that overlap become one group.

    Raises:
        UsageError: when no case has a column of that name.
    """
    if by is not None and not any(by in case.columns for case in cases):
        known = sorted({name for case in cases for name in case.columns})
        raise UsageError(f"data.split.group_by: no case has a column {by}; columns: {', '.join(known) or 'none'}")
    leader = {case.name: case.name for case in cases}  # a union-find: sets that overlap get one leader

    def first(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    patients: dict[str, list[str]] = {}
    for case in cases:
        if by is not None and case.columns.get(by):
            patients.setdefault(case.columns[by], []).append(case.name)
    for members in (*patients.values(), *together):
        known_members = sorted(name for name in members if name in leader)
        for name in known_members[1:]:
            leader[first(name)] = first(known_members[0])
    groups: dict[str, list[str]] = {}
    for name in sorted(leader):
        groups.setdefault(first(name), []).append(name)
    return sorted(tuple(sorted(group)) for group in groups.values())


def balanced_folds(
    groups: Sequence[Group], folds: int, seed: int, stream: tuple[int, ...], kinds: Mapping[str, str] | None
) -> list[list[Group]]:
    """Deal groups into folds: shuffled by the seed, the rarest strata first, each to the fold that lacks it most.

    Args:
        groups: that must not be divided.
        folds: how many.
        seed: of the shuffle.
        stream: which of the seed's independent draws.
        kinds: the stratum of each case; None: all alike.

    Returns:
        the groups of each fold. Without strata and with groups of one case, folds differ by at most one case.

    Source: greedy dealing of whole groups as in scikit-learn's StratifiedGroupKFold.
    """
    shuffled = [groups[index] for index in generator(seed, *stream).permutation(len(groups))]
    strata = {group: Counter(kinds.get(name, "") if kinds else "" for name in group) for group in shuffled}
    totals = sum(strata.values(), Counter[str]())
    rarest = {group: min(totals[kind] for kind in strata[group]) for group in shuffled}
    # Rare strata and large groups are dealt while the folds are still empty enough to take them evenly.
    order = sorted(shuffled, key=lambda group: (rarest[group], -len(group)))
    dealt: list[list[Group]] = [[] for _ in range(folds)]
    held = [Counter[str]() for _ in range(folds)]
    for group in order:
        chosen = min(
            range(folds), key=lambda fold: (_crowding(held[fold], strata[group], totals), held[fold].total(), fold)
        )
        dealt[chosen].append(group)
        held[chosen].update(strata[group])
    return dealt


def _crowding(held: Counter[str], arriving: Counter[str], totals: Counter[str]) -> float:
    """Return how much of the arriving strata a fold holds already, each as a share of all its cases."""
    return sum(held[kind] / totals[kind] for kind in arriving)
