"""`segkit tune` from the words to the records, on trainings that learn nothing."""

import csv
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from segkit.commands.tune import tune
from segkit.config.call import Call
from segkit.config.compose import configure
from segkit.config.recorded import load_config
from segkit.foundation.errors import CasesFailedError, StoppedError, UsageError
from segkit.studies import board
from segkit.studies import trial as trials
from segkit.studies.search import claims
from segkit.studies.search import worker as working
from segkit.studies.search.search import training_words
from segkit.studies.search.storage import JOURNAL
from segkit.studies.sweep import sweep
from tests.studies.search import toy_trainings
from tests.studies.search.toy_trainings import dice_of

PROJECT = Path(__file__).resolve().parents[3]
RATES = "optimizer.lr=tag(log,interval(1e-4,1.0))"


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(working, "_POLL_SECONDS", 0.0)
    (tmp_path / "cohort" / "images").mkdir(parents=True)
    return (
        "data=paired", "data.root=cohort", "training.steps=100", "training.fold=0", "output=study",
        "launcher._target_=tests.studies.search.toy_trainings.Toy", "sweep.pruner=none",
    )  # fmt: skip


@pytest.fixture
def quickly(base, monkeypatch):
    """Compose one training by Hydra and vary it by hand; composing takes most of the time of these searches."""
    first = configure("train", [word for word in base if not word.startswith(("sweep", "output"))])

    def composed(command, words, config_dirs=()):
        settings = dict(each.split("=", 1) for each in words)
        rate, seed = float(settings.get("optimizer.lr", 0.01)), int(settings.get("seed", 1))
        return replace(first, optimizer={**first.optimizer, "lr": rate}, seed=seed)

    monkeypatch.setattr(trials, "configure", composed)
    return base


def search(*words):
    """Call it as the command line does."""
    config = configure("tune", words)
    return tune(config, Call("tune", words, cwd=Path.cwd()))


def trials_of(folder, name="study"):
    backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    return optuna.load_study(study_name=name, storage=optuna.storages.JournalStorage(backend)).trials


def rows_of(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_terminal_shows_the_trials_under_way_beside_those_that_ended(base, monkeypatch):
    shown = []

    @contextmanager
    def live(columns):
        yield lambda rows: shown.extend([*rows])

    monkeypatch.setattr(board, "live_table", live)
    search(*base, RATES, "sweep.trials=2", "sweep.sampler=random")
    first = next(row[0] for row in shown)
    *_, (name, _, place, done, best, _, left) = [row for row in shown if row[1] == "running" and row[0] == first]
    assert (place, done) == ("nowhere", "10%")  # ten of a hundred steps, which is all that a toy makes
    assert float(best) > 0
    assert left
    finished = next(row for row in shown if row[1] == "finished")
    assert finished[0] == name
    assert float(finished[4]) >= float(best)


def test_a_search_from_words_to_records(base, capsys):
    folder = search(*base, RATES, "sweep.trials=5", "sweep.startup=3", "launcher.parallel=2")
    trials = trials_of(folder)
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5
    for trial in trials:
        assert trial.value == pytest.approx(dice_of(trial.params["optimizer.lr"]))
        assert list(trial.intermediate_values) == list(range(1, 11))
        config = load_config("train", folder / "configs" / trial.user_attrs["run"] / "config.yaml")
        assert config.optimizer["lr"] == trial.params["optimizer.lr"]
        assert config.plan.measure is False
    rows = rows_of(folder)
    assert [float(row["dice"]) for row in rows] == [trial.value for trial in trials]
    record = json.loads((folder / "study.json").read_text())
    best = max(trials, key=lambda trial: trial.value)
    assert record["best"] == [best.user_attrs["run"]]
    assert record["trials"][0]["overrides"][-1] == f"output={folder / trials[0].user_attrs['run']}"
    assert (folder / "history.png").stat().st_size > 1000
    assert (folder / "importance.png").exists()
    out = capsys.readouterr().out
    assert f"best: trial {best.number:03d}, Dice {best.value:.4f}: optimizer.lr={best.params['optimizer.lr']}" in out


def test_hopeless_trials_are_ended_and_the_best_is_not(quickly):
    words = [word for word in quickly if "pruner" not in word]
    folder = search(*words, RATES, "sweep.trials=14", "sweep.sampler=random", "sweep.reduction=2")
    trials = trials_of(folder)
    pruned = [trial for trial in trials if trial.state.name == "PRUNED"]
    finished = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert len(pruned) >= 3
    assert len(pruned) + len(finished) == 14
    assert max(dice_of(t.params["optimizer.lr"]) for t in trials) == pytest.approx(max(t.value for t in finished))
    reasons = {row["reason"] for row in rows_of(folder) if row["state"] == "pruned"}
    assert all(reason.startswith("pruned after validation") for reason in reasons)
    assert all(len(trial.intermediate_values) < 10 for trial in pruned)


def test_the_same_words_go_on_and_end_where_an_uninterrupted_search_ends(quickly):
    words = (*quickly, RATES, "sweep.sampler=random")
    search(*words, "sweep.trials=2")
    search(*words, "sweep.trials=5")
    folder = search(*words, "sweep.trials=5")  # nothing left to do
    straight = search(*words, "sweep.trials=5", "output=straight")
    assert [trial.params for trial in trials_of(folder)] == [trial.params for trial in trials_of(straight, "straight")]


def test_a_grid_is_searched_whole_and_ends(quickly, capsys):
    grid = ("network=unet,residual_unet", "optimizer.lr=0.1,0.01,0.001", "sweep.sampler=grid", "sweep.trials=50")
    folder = search(*quickly, *grid)
    assert "6 trials in " in capsys.readouterr().out
    params = [tuple(trial.params.values()) for trial in trials_of(folder)]
    assert len(params) == len(set(params)) == 6
    search(*quickly, *grid)
    assert len(trials_of(folder)) == 6


def test_two_objectives(quickly):
    words = ("sweep.objectives=[dice,seconds]", "sweep.trials=4")
    folder = search(*quickly, RATES, *words)
    assert [len(trial.values) for trial in trials_of(folder)] == [2] * 4
    assert rows_of(folder)[0]["seconds"] == "10.0"
    assert not trials_of(folder)[0].intermediate_values
    assert (folder / "history.png").exists()


def test_a_trial_that_fails_is_named_and_the_others_go_on(quickly):
    with pytest.raises(CasesFailedError, match=r"1 of 2 trials failed: 00\d \(failed with exit code 1\)"):
        search(*quickly, "seed=1,11", "sweep.sampler=grid")
    states = {trial.params["seed"]: trial.state.name for trial in trials_of(Path("study"))}
    assert states == {1: "COMPLETE", toy_trainings.FAIL: "FAIL"}


def test_a_trial_that_was_killed_is_tried_again_in_its_folder(quickly, capsys):
    folder = search(*quickly, "seed=1,12", "sweep.sampler=grid")
    assert sorted(row["state"] for row in rows_of(folder)) == ["finished", "finished"]
    states = [trial.state.name for trial in trials_of(folder)]
    assert sorted(states) == ["COMPLETE", "COMPLETE", "FAIL"]
    again = next(trial for trial in trials_of(folder) if trial.user_attrs.get("retry"))
    assert len(list((folder / again.user_attrs["run"]).glob("attempt*"))) == 2
    assert "is tried again" in capsys.readouterr().out


def test_a_trial_that_is_killed_again_and_again_has_failed(quickly):
    with pytest.raises(CasesFailedError, match="killed"):
        search(*quickly, "seed=1,13", "sweep.sampler=grid", "sweep.retries=2")
    assert sum(trial.params["seed"] == toy_trainings.KILL for trial in trials_of(Path("study"))) == 3


def test_settings_that_exclude_one_another_fail_alone(base):
    words = ("training.steps=null,100", "training.budget=null,1min", "sweep.sampler=grid")
    with pytest.raises(UsageError, match="how long to train is not set"):
        search(*base, *words)
    # Each end holds beside the first of the others, and one combination of two others does not.
    words = ("training.steps=100,null", "training.budget=null,1min", "sweep.sampler=grid")
    with pytest.raises(UsageError, match=r"with training.steps=null: how long"):
        search(*base, *words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("optimizer.lrr=1,2",), "with optimizer.lrr=1: optimizer.lrr is not a key; did you mean optimizer.lr"),
        (("network=unet,unett",), "with network=unett: network=unett: there is no network of that name"),
        (("training.ema=interval(0,2)",), "with training.ema=2.0: training.ema: 2 is not between 0 and 1"),
    ],
)
def test_every_end_of_the_space_is_checked_before_the_first_trial(base, words, message):
    with pytest.raises(UsageError, match=message):
        search(*base, *words)
    assert not Path("study").exists()


def test_a_search_that_is_stopped_hands_its_trials_back(quickly, monkeypatch):
    looks = iter(range(10))

    def stopped(worker):
        if next(looks) == 2:
            raise StoppedError("stopped by SIGTERM")

    watch = working.Worker._watch
    monkeypatch.setattr(working.Worker, "_watch", stopped)
    monkeypatch.setattr("segkit.studies.engine.GRACE", 1.0)
    with pytest.raises(StoppedError, match=r"the same words with output=.*study go on"):
        search(*quickly, RATES, "sweep.trials=3")
    assert [trial.state.name for trial in trials_of(Path("study"))] == ["FAIL", "WAITING"]
    monkeypatch.setattr(working.Worker, "_watch", watch)
    folder = search(*quickly, RATES, "sweep.trials=3")
    assert [row["state"] for row in rows_of(folder)] == ["finished"] * 3
    assert rows_of(folder)[0]["run"].startswith("000,")


def test_a_trial_that_another_worker_has_taken_up_is_left_to_it(quickly, monkeypatch, capsys):
    watch, looks = working.Worker._watch, iter(range(1000))

    def robbed(worker):
        if next(looks) == 2:
            (own,) = worker.underway.values()
            claims.hand_back(worker.study, worker._stored(own.trial), reason="its worker was gone", retry=0)
        watch(worker)

    monkeypatch.setattr(working.Worker, "_watch", robbed)
    folder = search(*quickly, RATES, "sweep.trials=2")
    assert "trial 000 was taken up by another worker" in capsys.readouterr().out
    assert [row["state"] for row in rows_of(folder)] == ["finished"] * 2
    assert [trial.state.name for trial in trials_of(folder)] == ["FAIL", "COMPLETE", "COMPLETE"]


def test_a_worker_that_is_killed_loses_nothing(base, tmp_path):
    words = [*base, RATES, "sweep.trials=3", "sweep.sampler=random"]
    code = f"""
import sys
sys.path.insert(0, {str(PROJECT)!r})
from segkit.cli import main
sys.exit(main(["tune", *{[*words, "+launcher.dies_at=1"]!r}]))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 9
    assert trials_of(Path("study"))[1].state.name == "RUNNING"
    folder = search(*words)
    assert [row["state"] for row in rows_of(folder)] == ["finished"] * 3
    assert [trial.state.name for trial in trials_of(folder)].count("FAIL") == 1


def test_time_runs_out_and_what_runs_is_finished(quickly):
    folder = search(*quickly, RATES, "sweep.budget=0s", "sweep.trials=3")
    assert trials_of(folder) == []
    search(*quickly, RATES, "sweep.trials=1")
    assert len(trials_of(folder)) == 1


def test_another_search_in_the_same_folder_is_refused(quickly):
    search(*quickly, RATES, "sweep.trials=1")
    with pytest.raises(UsageError, match="the study study has another space"):
        search(*quickly, "seed=1,2", "sweep.trials=1")
    with pytest.raises(UsageError, match="has other settings of its trainings"):
        search(*quickly, RATES, "sweep.trials=1", "loss=dice")
    search(
        *quickly, RATES, "sweep.trials=2", "launcher.parallel=2", "sweep.sampler=random"
    )  # how it is searched may change


def test_a_sweep_does_not_take_a_search_for_its_own(quickly):
    search(*quickly, RATES, "sweep.trials=1")
    with pytest.raises(UsageError, match="is a search: type its own words again"):
        sweep(Call("train", ("study.resume=study",), cwd=Path.cwd()))


def test_a_search_that_was_moved_goes_on_where_it_is(quickly):
    search(*quickly, RATES, "sweep.trials=1")
    Path("study").rename("moved")
    words = [word for word in quickly if not word.startswith("output")]
    folder = search(*words, "output=moved", RATES, "sweep.trials=2")
    assert [row["state"] for row in rows_of(folder)] == ["finished"] * 2
    assert len(trials_of(folder)) == 2


def test_a_password_is_written_nowhere(quickly, tmp_path):
    storage = f"sqlite:///{tmp_path / 'search.db'}?timeout=7"
    folder = search(*quickly, RATES, "sweep.trials=1", f"sweep.storage={storage}", "sweep.study=mine")
    assert optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path / 'search.db'}").trials
    texts = [path.read_text() for path in folder.rglob("*") if path.suffix in (".json", ".yaml", ".csv", ".txt")]
    assert texts
    assert not any("timeout" in text for text in texts)


def test_words_of_the_trainings_leave_out_those_of_the_search():
    words = ["data=paired", "sweep=learning_rate", "sweep.trials=3", "output=x", "seed=1,2", "optimizer.lr=5"]
    assert training_words(words, {"seed": None, "optimizer.lr": None}) == ["data=paired", "plan.measure=false"]
