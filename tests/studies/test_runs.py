import pytest

from segkit.foundation.errors import DataError
from segkit.runs.folder import RunFolder
from segkit.studies.runs import choices_of, found_runs, holds_runs, hours_of, runs_in
from tests.studies.scored_runs import scores_of, write_run, write_scores, write_study

SCORES = scores_of(0, range(2))


def test_a_study_in_its_order_with_what_did_not_finish(tmp_path):
    study = tmp_path / "study"
    write_run(study / "loss=dice", ["loss=dice"], SCORES)
    write_run(study / "loss=focal", ["loss=focal"], SCORES, state="failed")
    write_study(study, {"loss=focal": (["loss=focal"], "killed by signal 9"), "loss=dice": (["loss=dice"], "finished"),
                        "loss=top_k": (["loss=top_k"], "waiting")})  # fmt: skip
    assert holds_runs(study)
    found = runs_in(study)
    assert [(run.name, run.is_finished, run.state) for run in found] == [
        ("loss=focal", False, "killed by signal 9"), ("loss=dice", True, "finished"), ("loss=top_k", False, "waiting"),
    ]  # fmt: skip
    assert found[1].choices == {"loss": "dice"}


def test_a_study_that_was_moved_finds_its_runs(tmp_path):
    study = tmp_path / "study"
    write_run(study / "a", ["loss=dice"], SCORES)
    write_study(study, {"a": (["loss=dice"], "finished")})
    study.rename(tmp_path / "moved")
    (run,) = runs_in(tmp_path / "moved")
    assert run.folder.path == tmp_path / "moved" / "a"
    assert run.is_finished


def test_a_folder_of_runs_a_run_and_a_folder_of_scores(tmp_path):
    write_run(tmp_path / "runs" / "b", ["seed=1"], SCORES)
    write_run(tmp_path / "runs" / "a", ["seed=2"], SCORES)
    write_scores(tmp_path / "others", SCORES)
    found = found_runs([tmp_path / "runs", tmp_path / "runs" / "a", tmp_path / "others"])
    assert [run.name for run in found] == ["a", "b", "others"]
    assert not holds_runs(tmp_path / "runs" / "a")
    with pytest.raises(DataError, match="is no run, no study and no folder of scores"):
        found_runs([tmp_path])


def test_names_that_two_places_share_get_their_folders(tmp_path):
    for place in ("x", "y"):
        write_run(tmp_path / place / "run", [], SCORES)
    found = found_runs([tmp_path / "x" / "run", tmp_path / "y" / "run"])
    assert [run.name for run in found] == ["x/run", "y/run"]


def test_choices_are_what_a_run_learns_by():
    words = ["loss=dice", "+network.norm=batch", "output=/x", "paths.cache=/y", "device=cpu", "plan.measure=false",
             "workers=2", "name=z", "data.labels={a: 1}"]  # fmt: skip
    assert choices_of(words) == {"loss": "dice", "network.norm": "batch", "data.labels": "{a: 1}"}
    assert choices_of(None) == {}


def test_hours_as_the_status_or_the_last_step_says(tmp_path):
    folder = RunFolder(write_run(tmp_path / "a", [], SCORES, seconds=7200.0))
    assert hours_of(folder) == 2
    folder.status.write_text('{"state": "stopped"}')
    assert hours_of(folder) is None
    folder.metrics.write_text("step,seconds,loss\n1,9.0,1\n2,1800.5,1\n3,,0.5\n")
    assert hours_of(folder) == pytest.approx(1800.5 / 3600)
