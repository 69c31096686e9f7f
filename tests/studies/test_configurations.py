"""Which candidate is taken, by hand-made standings."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from segkit.foundation.errors import UsageError
from segkit.runs.folder import RunFolder
from segkit.studies.configurations import Candidate, Configuration, candidates_of, configurations_of, reason, simplest
from segkit.studies.pooling import Pool
from segkit.studies.runs import FoundRun


class Counted(Configuration):
    """A configuration whose networks are told, not read."""

    networks = property(lambda self: len(self.folds))


def configuration(name, networks):
    folds = tuple(RunFolder(Path(f"/{name}/{fold}")) for fold in range(networks))
    return Counted(name, folds, {"a": folds[0], "b": folds[-1]}, {}, 1.0)


def standing(name, corrected=None, rank_biserial=-0.5):
    found = None if corrected is None else SimpleNamespace(wilcoxon_holm=corrected, rank_biserial=rank_biserial)
    return SimpleNamespace(name=name, difference=found)


FLAT, FULL, CASCADE = configuration("flat", 5), configuration("full", 5), configuration("cascade", 25)
ALL = candidates_of([FLAT, FULL, CASCADE], ensembles=True)


def chosen(*standings):
    comparison = SimpleNamespace(standings=standings)
    taken = simplest(ALL, comparison)
    return taken.name, reason(taken, comparison)


def test_candidates_are_the_configurations_and_each_two_of_them():
    assert [(each.name, each.networks) for each in ALL] == [
        ("flat", 5), ("full", 5), ("cascade", 25), ("flat + full", 10), ("flat + cascade", 30), ("full + cascade", 30),
    ]  # fmt: skip
    assert candidates_of([FLAT, FULL], ensembles=False) == [Candidate((FLAT,)), Candidate((FULL,))]
    assert ALL[3].hours == 2.0


def test_an_ensemble_that_is_shown_to_be_better_is_taken():
    name, why = chosen(standing("flat + full"), standing("full", 0.01), standing("flat", 0.001))
    assert (name, why) == ("flat + full", "it is shown to be better than all others")


def test_the_simpler_of_those_that_are_not_told_apart_is_taken_and_of_equally_simple_ones_the_higher():
    name, why = chosen(
        standing("full + cascade"), standing("flat + full", 0.9), standing("full", 0.051), standing("flat", 0.2)
    )
    assert name == "full"
    assert why == (
        "full + cascade ranks first and is not shown to be better (corrected p 0.051): the one with fewer networks is "
        "taken"
    )
    assert chosen(standing("full + cascade"), standing("flat + full", 0.9), standing("full", 0.04))[0] == "flat + full"


def test_a_mean_that_ranks_contradict_shows_nothing():
    assert chosen(standing("flat + full"), standing("flat", 0.001, rank_biserial=0.4))[0] == "flat"


def test_each_case_is_segmented_by_the_runs_that_left_it_out():
    pair = Candidate((FLAT, CASCADE))
    assert pair.teams() == {
        (FLAT.folds[0], CASCADE.folds[0]): ["a"],
        (FLAT.folds[-1], CASCADE.folds[-1]): ["b"],
    }


def pool(folder, name, *folds, data="x"):
    runs = []
    for fold, validation in enumerate(folds):
        run = RunFolder(folder / f"{name}{fold}")
        run.path.mkdir()
        run.config.write_text("name: x\n")
        run.split.write_text(json.dumps({"training": ["t"], "validation": validation, "held_out": ["h"]}))
        runs.append(FoundRun(run.path.name, run, {}, "finished", data))
    return Pool(name, {}, tuple(runs))


def test_configurations_that_cannot_be_weighed_are_named(tmp_path):
    good = pool(tmp_path, "good", ["a"], ["b"])
    (found,) = configurations_of([good])
    assert {case: run.path.name for case, run in found.by_case.items()} == {"a": "good0", "b": "good1"}
    for other, says in (
        (pool(tmp_path, "less", ["a"]), "good validated b, and less did not"),
        (pool(tmp_path, "more", ["a", "b"], ["c"]), "more validated c, and good did not"),
        (pool(tmp_path, "twice", ["a"], ["a"]), "twice0 and twice1 both validate a"),
        (pool(tmp_path, "none", []), "no case validates in none0"),
        (pool(tmp_path, "elsewhere", ["a"], ["b"], data="y"), "several data sets, x, y"),
    ):
        with pytest.raises(UsageError, match=says):
            configurations_of([good, other])
