"""The page of a study: its runs ranked, with the way to their own pages."""

import json

import pytest

from segkit.commands.report import report
from segkit.config.compose import configure
from segkit.foundation.files import write_json
from tests.reports.reading_pages import Reader


def page_of(study, *words) -> Reader:
    return Reader(report(configure("report", [f"run={study}", *words])).read_text(encoding="utf-8"))


WAITING = {"name": "a", "state": "waiting", "overrides": ["x=1"]}


@pytest.mark.parametrize(("trials", "said"), [([], "no runs yet"), ([WAITING], "not been evaluated")])
def test_a_study_without_runs_or_scores_says_what_to_do(trials, said, tmp_path):
    (tmp_path / "study").mkdir()
    write_json(tmp_path / "study" / "study.json", {"trials": trials})
    assert said in page_of(tmp_path / "study").text


def test_a_study_ranks_its_runs_and_leads_to_their_pages(scored_run, tmp_path):
    runs = [scored_run(f"study/lr={index}", cases=2 + index) for index in (2, 0)]
    report(configure("report", [f"run={runs[0]}"]))
    finished = {"state": "finished", "seconds": 1800}
    entries = [
        {"name": run.name, "run": f"/gone/{run.name}", "overrides": ["a=b", run.name], **finished} for run in runs
    ]
    failed = {"name": "lr=9", "run": "/gone/lr=9", "overrides": ["a=b", "lr=9"]}
    failed |= {"state": "failed", "reason": "/home/DOE/x: broken"}
    write_json(tmp_path / "study" / "study.json", {"trials": [*entries, failed]})
    standing = {"rank": 1, "name": "lr=0", "score": {"mean": 0.9, "ci95": [0.8, 1.0]}, "difference": None}
    compared = {"verdict": "lr=0 leads", "standings": [standing], "effects": []}
    write_json(tmp_path / "study" / "comparison.json", compared)
    page = page_of(tmp_path / "study")
    rows = [cells for _, cells in page.tables["run-table"][1:]]
    assert [row[0][2] for row in rows] == ["lr=0", "lr=2", "lr=9"]
    summaries = [json.loads((run / "evaluation" / "summary.json").read_text()) for run in runs[::-1]]
    means = [summary["mean"]["dice"]["mean"] for summary in summaries]
    assert [float(row[1][3][0]) for row in rows[:2]] == means
    assert float(rows[0][-3][3][0]) == 0.5
    assert [row[-1][2] for row in rows] == ["lr=0", "lr=2", "lr=9"]
    assert page.attributes("a", "href").count("lr%3D2/report.html") == 1
    assert "lr=0 leads" in page.text
    assert "DOE" not in page.text


def test_the_folder_of_the_charts_is_named_once(scored_run, tmp_path, capsys):
    run = scored_run("study/lr=0", cases=2)
    write_json(tmp_path / "study" / "study.json", {"trials": [{"name": run.name, "state": "finished"}]})
    page_of(tmp_path / "study", f"figures={tmp_path / 'figures'}")
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {tmp_path / 'figures'}"
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"runs.svg", "runs.png"}
