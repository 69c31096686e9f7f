import math
from dataclasses import replace
from pathlib import Path

import pytest

from segkit.runs.folder import RunFolder
from segkit.studies.pooling import mean_scores, pooled, pools
from segkit.studies.runs import FoundRun
from segkit.studies.saved import Saved

KEYS = ["training.fold"]


def run(name, cases, value=0.5, **choices):
    folder = RunFolder(Path("/study") / name)
    found = FoundRun(name, folder, {key.replace("__", "."): text for key, text in choices.items()}, "finished")
    return found, Saved({case: {"liver": {"dice": value}} for case in cases}, {})


def test_folds_are_put_together_and_methods_kept_apart():
    runs = [run(f"{loss}{fold}", [f"c{fold}"], training__fold=fold, loss=loss) for loss in ("a", "b") for fold in "01"]
    found = pooled(runs, KEYS)
    assert [method.name for method in found] == ["loss=a", "loss=b"]
    assert [list(method.scores) for method in found] == [["c0", "c1"]] * 2
    assert [method.choices for method in found] == [{"loss": "a"}, {"loss": "b"}]
    assert found[0].runs == ("/study/a0", "/study/a1")


def test_one_method_in_folds_is_called_as_its_study():
    (found,) = pooled([run(f"f{fold}", [f"c{fold}"], training__fold=fold) for fold in "012"], KEYS)
    assert found.name == "study"
    assert list(found.scores) == ["c0", "c1", "c2"]


def test_cases_that_several_runs_score_are_averaged():
    runs = [run(f"s{seed}", ["c"], value, seed=seed, loss="a") for seed, value in (("1", 0.4), ("2", 0.8))]
    (found,) = pooled(runs, ["seed"])
    assert found.scores["c"]["liver"]["dice"] == pytest.approx(0.6)
    assert [method.name for method in pooled(runs, KEYS)] == ["s1", "s2"]
    left_out = {"c": {"liver": {"dice": math.nan}}}
    assert mean_scores([left_out, runs[0][1].scores])["c"]["liver"]["dice"] == 0.4
    assert math.isnan(mean_scores([left_out, left_out])["c"]["liver"]["dice"])


def test_runs_without_such_a_choice_stand_for_themselves():
    found = pooled([run("x", ["c"]), run("y", ["c"]), run("z", ["c"], training__fold="0")], KEYS)
    assert [method.name for method in found] == ["x", "y", "z"]


def test_studies_of_the_same_words_are_not_mixed():
    places = ("/site/old/cv", "/site/new/cv")
    runs = [
        FoundRun(f"f{fold}", RunFolder(Path(place) / f"f{fold}"), {"lr": "1", "training.fold": fold}, "finished")
        for place in places
        for fold in "01"
    ]
    found = pools(runs, KEYS)
    assert [(pool.name, len(pool.runs)) for pool in found] == [("cv (old/cv)", 2), ("cv (new/cv)", 2)]
    # Folds that were trained apart, each into a place of its own, are one method all the same.
    (one,) = pools([runs[0], runs[3]], KEYS)
    assert len(one.runs) == 2


def test_studies_that_are_one_method_each_give_it_their_names():
    def fold(study, number, **choices):
        found = FoundRun(f"{study}/f{number}", RunFolder(Path(f"/{study}/f{number}")), {**choices}, "finished")
        return replace(found, choices={**choices, "training.fold": str(number)})

    runs = [fold(study, number, plan=study, lr="1") for study in ("full", "flat") for number in range(2)]
    assert [pool.name for pool in pools(runs, KEYS)] == ["full", "flat"]
    mixed = [*runs, *(fold("flat", number, plan="other", lr="1") for number in range(2, 4))]
    assert [pool.name for pool in pools(mixed, KEYS)] == ["plan=full", "plan=flat", "plan=other"]
