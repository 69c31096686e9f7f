"""Cross-validated configurations and their ensembles of two: candidates for the model that a data set deserves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from segkit.datasets.splits import split_from
from segkit.evaluation.comparison.comparison import Comparison, Standing
from segkit.evaluation.comparison.power import ALPHA
from segkit.evaluation.comparison.sentences import p_text
from segkit.foundation.errors import UsageError
from segkit.foundation.strangers import load_json
from segkit.runs.folder import RunFolder
from segkit.runs.model_file import read_record
from segkit.studies.pooling import Pool

Runs = tuple[RunFolder, ...]


@dataclass(frozen=True)
class Configuration:
    """A way to train, trained once for each fold.

    Attributes:
        name: tells it from the others.
        folds: a run each.
        by_case: validation case -> the run that did not train on it.
        choices: in which it differs from the others.
        hours: of training, all folds together; None where that is not known.
    """

    name: str
    folds: Runs
    by_case: Mapping[str, RunFolder]
    choices: Mapping[str, str]
    hours: float | None

    @cached_property
    def networks(self) -> int:
        """How many networks a new scan goes through, those of a cascade's earlier stage too."""
        return sum(1 + read_record(fold.model).previous for fold in self.folds)


@dataclass(frozen=True)
class Candidate:
    """One configuration, or two whose probabilities are averaged."""

    parts: tuple[Configuration, ...]

    @property
    def name(self) -> str:
        """Its configurations' names."""
        return " + ".join(part.name for part in self.parts)

    @property
    def networks(self) -> int:
        """How many networks a new scan goes through."""
        return sum(part.networks for part in self.parts)

    @property
    def hours(self) -> float | None:
        """Hours of training; None where that is not known of each part."""
        known = [part.hours for part in self.parts if part.hours is not None]
        return sum(known) if len(known) == len(self.parts) else None

    @property
    def folds(self) -> Runs:
        """The runs whose networks segment new scans together."""
        return tuple(fold for part in self.parts for fold in part.folds)

    def teams(self) -> dict[Runs, list[str]]:
        """Return the runs that segment cases which none of them trained on, with the names of these cases."""
        found: dict[Runs, list[str]] = {}
        for case in sorted(self.parts[0].by_case):
            found.setdefault(tuple(part.by_case[case] for part in self.parts), []).append(case)
        return found


def configurations_of(pools: Sequence[Pool]) -> list[Configuration]:
    """Return the configurations that runs make, all of which validated the same cases.

    Raises:
        UsageError: when runs are of other data sets, do not validate, validate a case twice, or not the same cases.
    """
    data = sorted({run.data for pool in pools for run in pool.runs})
    if len(data) > 1:
        raise UsageError(f"best: the runs are of several data sets, {', '.join(data)}: name those of one in runs=")
    found = [Configuration(p.name, _folds(p), _by_case(p), p.choices, p.hours) for p in pools]
    first = found[0]
    for other in found[1:]:
        if odd := sorted(first.by_case.keys() ^ other.by_case.keys()):
            has, lacks = (first, other) if odd[0] in first.by_case else (other, first)
            raise UsageError(
                f"best: {has.name} validated {odd[0]}, and {lacks.name} did not: only configurations with the same "
                "data.split and the same folds can be weighed against each other"
            )
    return found


def candidates_of(configurations: Sequence[Configuration], *, ensembles: bool) -> list[Candidate]:
    """Return each configuration, and then, where asked, each two of them."""
    singles = [Candidate((each,)) for each in configurations]
    return singles + [Candidate(pair) for pair in combinations(configurations, 2) if ensembles]


def simplest(candidates: Sequence[Candidate], comparison: Comparison) -> Candidate:
    """Return the candidate with the fewest networks of those that the best is not shown to beat.

    Args:
        candidates: by the names of the comparison's methods.
        comparison: of all of them with the best.

    Returns:
        of equally many networks the one that ranks higher; the best itself where it is shown to beat all others.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    standing = [by_name[one.name] for one in comparison.standings if not is_beaten(one)]
    return min(standing, key=lambda candidate: candidate.networks)


def is_beaten(one: Standing) -> bool:
    """Say whether the best is better than a candidate by mean and ranks, by a test that is corrected for all pairs."""
    found = one.difference
    return found is not None and found.wilcoxon_holm < ALPHA and found.rank_biserial < 0


def reason(chosen: Candidate, comparison: Comparison) -> str:
    """Say why a candidate was chosen."""
    best, *others = comparison.standings
    if chosen.name != best.name:
        found = next(one.difference for one in others if one.name == chosen.name)
        p = p_text(found.wilcoxon_holm) if found else "-"
        return (
            f"{best.name} ranks first and is not shown to be better (corrected p {p}): the one with fewer networks is "
            "taken"
        )
    rivals = [one.name for one in others if not is_beaten(one)]
    if not rivals:
        return "it is shown to be better than all others" if others else "there is no other"
    return f"it ranks first, and none of those that it is not shown to beat has fewer networks ({', '.join(rivals)})"


def _folds(pool: Pool) -> Runs:
    return tuple(run.folder for run in pool.runs)


def _by_case(pool: Pool) -> dict[str, RunFolder]:
    owners: dict[str, RunFolder] = {}
    for run in pool.runs:
        if not run.folder.is_run:
            raise UsageError(f"best: {run.name} holds scores and no model: name runs that were trained")
        names = split_from(load_json(run.folder.split), where=str(run.folder.split)).validation
        if not names:
            raise UsageError(f"best: no case validates in {run.name}: train folds, training.fold=each with -m")
        if twice := next((name for name in names if name in owners), None):
            raise UsageError(
                f"best: {owners[twice].path.name} and {run.name} both validate {twice}: they are no folds of one "
                "configuration"
            )
        owners |= dict.fromkeys(names, run.folder)
    return owners
