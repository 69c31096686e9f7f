"""`segkit compare` on folders with scores."""

import csv
import json
import subprocess
import sys

import pytest

from segkit import cli
from tests.reports.reading_pages import Reader
from tests.studies.scored_runs import WEIGHTS, scores_of, write_run, write_scores, write_study

HEAVY = ("torch", "monai", "pytorch_lightning", "scipy.stats")


@pytest.fixture
def study(tmp_path):
    """Two losses by two seeds; one more trial was killed."""
    folder, trials = tmp_path / "study", {}
    for at, (loss, seed, shift) in enumerate([("dice", 1, 0.02), ("dice", 2, 0.021), ("ce", 1, 0.0), ("ce", 2, 0.001)]):
        words = [f"loss={loss}", f"seed={seed}"]
        write_run(folder / ",".join(words), words, scores_of(shift, range(30), 0.004, at), seconds=3600.0 * (at + 1))
        trials[",".join(words)] = (words, "finished")
    trials["loss=dice,seed=3"] = (["loss=dice", "seed=3"], "killed by signal 9")
    return write_study(folder, trials)


def rows_of(folder):
    with (folder / "leaderboard.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_study_is_ranked_with_tests_effects_and_hours(study, capsys):
    assert cli.main(["compare", f"runs={study}", "difference=0.01"]) == 0
    said = capsys.readouterr()
    assert "loss=dice,seed=3 is left out: killed by signal 9" in said.err
    assert "4 runs on the same 30 held-out cases, mean over labels; difference to loss=dice,seed=" in said.out
    assert "2 of 2" in said.out
    assert "to show a difference of 0.01 dice with 80% power takes" in said.out
    rows = rows_of(study)
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    assert {row["choice:loss"] for row in rows[:2]} == {"dice"}
    assert float(rows[0]["first"]) + float(rows[1]["first"]) == pytest.approx(1)
    assert float(rows[3]["wilcoxon_holm"]) < 0.05 < float(rows[1]["wilcoxon"])
    assert float(rows[0]["per_hour"]) == pytest.approx(float(rows[0]["dice"]) / float(rows[0]["hours"]))
    assert float(rows[0]["mean:hd95"]) == pytest.approx(5 * (1 - float(rows[0]["dice"])))
    tree = json.loads((study / "comparison.json").read_text())
    assert tree["verdict"] in said.out
    assert [one["name"] for one in tree["standings"]] == [row["run"] for row in rows]
    page = Reader((study / "leaderboard.html").read_text())
    assert tree["verdict"] in page.text
    shown = [cells for _, cells in page.tables["standings"][1:]]
    assert [row[0][2] for row in shown] == [row["run"] for row in rows]
    assert [float(row[-1][3][0]) for row in shown] == pytest.approx([float(row["per_hour"]) for row in rows])
    lines = page.attributes("polyline", "data-run")
    assert sorted(lines) == ["0", "1", "2", "3"]
    assert "behind in 2 of 2" in page.text
    loss = next(one for one in tree["effects"] if one["value"] == "ce")
    assert loss["ci95"][0] < loss["difference"] < loss["ci95"][1] < 0
    assert (loss["settings"], loss["worse"]) == (2, 2)
    assert tree["comparisons"] == 6
    assert len(tree["p"]) == 4


def test_the_leaderboard_says_of_a_run_what_it_says_alone(study, capsys):
    assert cli.main(["compare", f"runs={study}"]) == 0
    whole = {row["run"]: row for row in rows_of(study)}
    for name in whole:
        assert cli.main(["compare", f"runs={study / name}", f"output={study}/alone"]) == 0
        (alone,) = rows_of(study / "alone")
        for key in ("dice", "low", "high", "std", "median", "n", "hours"):
            assert float(alone[key]) == pytest.approx(float(whole[name][key]), rel=1e-12)


def test_seeds_are_averaged_where_asked(study, capsys):
    assert cli.main(["compare", f"runs={study}", "pool=[seed]", f"output={study}/pooled"]) == 0
    rows = rows_of(study / "pooled")
    assert [row["run"] for row in rows] == ["loss=dice", "loss=ce"]
    assert float(rows[0]["hours"]) == 3
    assert json.loads((study / "pooled" / "comparison.json").read_text())["comparisons"] == 1
    assert "loss=dice is better than loss=ce by 0.0" in capsys.readouterr().out


def test_folds_are_pooled(tmp_path, capsys):
    folder, trials = tmp_path / "cv", {}
    for loss, shift in (("dice", 0.02), ("ce", 0.0)):
        for fold in range(3):
            words = [f"loss={loss}", f"training.fold={fold}"]
            scores = scores_of(shift, range(10 * fold, 10 * fold + 10))
            write_run(folder / ",".join(words), words, scores, split="validation")
            trials[",".join(words)] = (words, "finished")
    write_study(folder, trials)
    assert cli.main(["compare", f"runs={folder}"]) == 0
    assert "2 runs on the same 30 validation cases" in capsys.readouterr().out
    assert [(row["run"], row["n"]) for row in rows_of(folder)] == [("loss=dice", "30"), ("loss=ce", "30")]


def test_cases_that_validate_decide_and_held_out_ones_with_a_warning_or_for_a_baseline(tmp_path, capsys):
    folder = tmp_path / "study"
    for name, shift in (("a,seed=1", 0.02), ("b,seed=1", 0.0)):
        run = write_run(folder / name, [f"network={name[0]}"], scores_of(shift, range(6)), split="validation")
        source = {"split": "held_out", "weights": [WEIGHTS]}
        write_scores(run / "evaluation" / "held_out", scores_of(-shift, range(6, 14)), source)
        parts = {"training": ["t"], "validation": sorted(scores_of(0, range(6))), "held_out": ["c07"]}
        (run / "split.json").write_text(json.dumps(parts))
    assert cli.main(["compare", f"runs={folder}"]) == 0
    said = capsys.readouterr()
    assert "2 runs on the same 6 validation cases" in said.out
    assert "decide" not in said.err
    assert json.loads((folder / "comparison.json").read_text())["split"] == "validation"
    assert cli.main(["compare", f"runs={folder}", "split=held_out"]) == 0
    said = capsys.readouterr()
    assert "2 runs on the same 8 held-out cases" in said.out
    assert "the held-out cases decide between 2 runs" in said.err
    # A name with commas needs no quotes, and what was decided on beforehand no warning.
    assert cli.main(["compare", f"runs={folder}", "split=held_out", "baseline=a,seed=1"]) == 0
    said = capsys.readouterr()
    assert "difference to a,seed=1" in said.out
    assert "decide" not in said.err


@pytest.fixture
def two_sets(tmp_path):
    """Three networks on two data sets."""
    folder, trials = tmp_path / "study", {}
    for data, sign in (("brains", 1), ("hearts", -1)):
        for seed, (network, shift) in enumerate((("unet", 0.02), ("mednext", 0.0), ("swin", 0.01))):
            words = [f"data={data}", f"network={network}"]
            scores = scores_of(sign * shift, range(12), seed=seed)
            write_run(folder / ",".join(words), words, scores, seconds=3600.0)
            trials[",".join(words)] = (words, "finished")
    return write_study(folder, trials, data=lambda words: words[0].removeprefix("data="))


@pytest.mark.parametrize("wanted", ["network=swin", "data=hearts,network=swin"])
def test_a_baseline_is_its_method_on_every_data_set(two_sets, wanted, capsys):
    assert cli.main(["compare", f"runs={two_sets}", f"baseline={wanted}"]) == 0
    for data in ("brains", "hearts"):
        tree = json.loads((two_sets / data / "comparison.json").read_text())
        assert (tree["against"], tree["comparisons"]) == (f"data={data},network=swin", 2)  # not each of three pairs
    with (two_sets / "by_data.csv").open() as file:
        rows = {(row["method"], row["data"]): row for row in csv.DictReader(file)}
    assert rows["network=swin", "brains"]["against"] == ""
    assert float(rows["network=unet", "brains"]["difference"]) > 0 > float(rows["network=unet", "hearts"]["difference"])
    assert 0 < float(rows["network=unet", "hearts"]["wilcoxon_holm"]) <= 1
    assert cli.main(["compare", f"runs={two_sets}", "baseline=network=swim"]) == 2
    assert "baseline: on brains there is no network=swim; did you mean network=swin" in capsys.readouterr().err


def test_each_data_set_is_compared_by_itself_though_its_cases_are_called_alike(two_sets, tmp_path, capsys):
    folder = two_sets
    assert cli.main(["compare", f"runs={folder}"]) == 0
    said = capsys.readouterr().out
    assert "brains: 3 runs on the same 12 held-out cases" in said
    assert "results by data set" in said
    for data, first in (("brains", "unet"), ("hearts", "mednext")):
        assert rows_of(folder / data)[0]["choice:network"] == first
    with (folder / "by_data.csv").open() as file:
        rows = {(row["method"], row["data"]): row for row in csv.DictReader(file)}
    assert rows["network=unet", "hearts"]["rank"] == "3"
    assert float(rows["network=unet", "brains"]["mean"]) > float(rows["network=unet", "hearts"]["mean"])
    assert "network=mednext" in said
    assert not (folder / "leaderboard.csv").exists()
    write_scores(tmp_path / "theirs", scores_of(0.0, range(12)))
    assert cli.main(["compare", f"runs=[{folder},{tmp_path}/theirs]"]) == 2
    assert "theirs names no data set" in capsys.readouterr().err


def test_scores_of_other_programs_and_a_metric_of_which_less_is_better(tmp_path, capsys):
    write_run(tmp_path / "ours", ["loss=dice"], scores_of(0.05, range(20)))
    write_scores(tmp_path / "theirs", scores_of(0.0, range(5, 22)))
    words = ["compare", f"runs=[{tmp_path}/ours,{tmp_path}/theirs]", "metric=hd95", "baseline=theirs"]
    assert cli.main([*words, f"output={tmp_path}/out"]) == 0
    said = capsys.readouterr()
    assert "ours is better than theirs by 0.2" in said.out
    assert "7 cases are left out" in said.err
    assert "what each choice does" not in said.out
    rows = rows_of(tmp_path / "out")
    assert [(row["run"], row["against"], row["n"]) for row in rows] == [("ours", "theirs", "15"), ("theirs", "", "15")]
    assert float(rows[0]["difference"]) < 0 < float(rows[0]["effect_size"])


def test_patients_recorded_with_the_scores_are_what_is_counted(tmp_path):
    patients = {"clusters": {"column": "patient", "n": 5, "cases": {f"c{at:02d}": str(at % 5) for at in range(20)}}}
    for name, shift in (("a", 0.05), ("b", 0.0)):
        write_run(tmp_path / name, [], scores_of(shift, range(20)), **patients)
    assert cli.main(["compare", f"runs=[{tmp_path}/a,{tmp_path}/b]", f"output={tmp_path}/out"]) == 0
    tree = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert tree["patients"] == 5
    assert tree["standings"][1]["difference"]["units"] == 5
    assert tree["standings"][1]["difference"]["wilcoxon"] == pytest.approx(2 / 32)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["runs=gone/*"], 2, "runs: no file or folder matches gone/*"),
        (["runs=gone"], 2, "runs: there is no file or folder"),
        (["runs=study", "metric=dicee"], 2, "metric: nothing is known of a metric dicee; did you mean dice"),
        (["runs=study", "label=lung"], 2, "label: not every run has lung; there are: mean, liver"),
        (["runs=study", "baseline=x"], 2, "baseline: not every run has x"),
        (["runs=empty"], 1, "is no run, no study and no folder of scores"),
        (["runs=dead"], 1, "no run has finished: there is nothing to compare"),
    ],
)
def test_mistakes_are_one_line(study, tmp_path, monkeypatch, capsys, words, code, message):
    (tmp_path / "empty").mkdir()
    write_run(tmp_path / "dead", [], scores_of(0), state="failed")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", *words]) == code
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (study / "leaderboard.csv").exists()


def test_nothing_heavy_is_imported(study):
    code = (
        "import sys; from segkit.cli import main; code = main(sys.argv[1:]); "
        f"sys.exit(code or [name for name in {HEAVY!r} if name in sys.modules] or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", f"runs={study}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_labels_of_some_runs_only_are_left_out_and_named(tmp_path, capsys):
    scores = scores_of(0.0, range(6))
    write_scores(tmp_path / "a", scores)
    write_scores(tmp_path / "b", {case: {**by, "spleen": 0.1} for case, by in scores.items()})
    assert cli.main(["compare", f"runs={tmp_path}/*", "difference=0.01"]) == 0
    said = capsys.readouterr()
    assert "labels that not every run has scores for are left out: spleen" in said.err
    assert "b and a score the same in dice over 6 cases" in said.out
    assert "is not known: the runs do not differ" in said.out


def test_a_run_that_cannot_be_scored_costs_only_itself(study, capsys):
    broken = study / "loss=ce,seed=1"
    (broken / "evaluation" / "cases.csv").write_text("case,label,metric,value\nc00,liver,dice,good\n")
    assert cli.main(["compare", f"runs={study}"]) == 1
    said = capsys.readouterr()
    assert "loss=ce,seed=1: " in said.err
    assert "'good' is no number" in said.err
    assert said.err.splitlines()[-1] == "error: could not be scored and left out: loss=ce,seed=1"
    assert len(rows_of(study)) == 3
    loss = next(one for one in json.loads((study / "comparison.json").read_text())["effects"] if one["value"] == "ce")
    assert loss["settings"] == 1
