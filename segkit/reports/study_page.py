"""The page of a study: its runs beside one another, what `segkit compare` says of them, and their own pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_json
from segkit.reports.charts import ends_of, words
from segkit.reports.discretion import override_text, without_paths
from segkit.reports.drawing import Drawing, colour_kind
from segkit.reports.html import write_page
from segkit.reports.leaderboard_page import brief, leaderboard_values
from segkit.reports.run_page import Made
from segkit.reports.scores import MEAN, Scores, interval_of, read_scores
from segkit.reports.strips import strip_of, strips
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import mapping

STUDY, COMPARISON, PAGE = "study.json", "comparison.json", "report.html"
MOST_ROWS = 40  # of the chart
MOST_LABELS = 12  # with a column each
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, eq=False)
class Run:
    """A run of a study.

    Attributes:
        name: in the study.
        state: as the study says.
        choices: the words that not every run of the study has.
        seconds: of wall clock; None: not known.
        reason: why it failed, where it did.
        scores: of its evaluation; empty where there is none.
        page: its report, seen from the study; None: there is none.
    """

    name: str
    state: str
    choices: Sequence[str] = ()
    seconds: float | None = None
    reason: str = ""
    scores: Scores = field(default_factory=Scores)
    page: str | None = None

    @property
    def brief(self) -> str:
        """What tells it from the others in the fewest letters."""
        return brief(self.name, [word.partition("=")[2] for word in self.choices])

    @property
    def mean(self) -> float:
        """Of the main metric; below all others where there is none."""
        value = self.scores.statistics(MEAN, self.scores.main).get("mean")
        return value if isinstance(value, int | float) else -1e9


def is_study(path: Path) -> bool:
    """Say whether a folder is a study's and not a run's."""
    return (path / STUDY).is_file() and not RunFolder(path).is_run


def read_study(study: Path) -> list[Run]:
    """Return the runs of a study, the best first.

    Raises:
        DataError: when a file of the study, or scores of a run, are damaged.
    """
    listed = mapping(load_json(study / STUDY)).get("trials")
    if not isinstance(listed, list):
        raise DataError(f"{study / STUDY} is no list of a study's trials")
    trials = [mapping(row) for row in listed]
    typed = [_words(row.get("overrides")) for row in trials]
    everywhere = set.intersection(*map(set, typed)) if len(typed) > 1 else set()
    runs = [
        _run(study, row, [word for word in each if word not in everywhere])
        for row, each in zip(trials, typed, strict=True)
    ]
    return sorted(runs, key=lambda run: (-run.mean, run.name))


def _words(overrides: object) -> list[str]:
    return list(map(str, overrides)) if isinstance(overrides, list) else []


def _run(study: Path, row: Mapping[str, Any], choices: Sequence[str]) -> Run:
    name = str(row.get("name") or "")
    # A study that was moved is still in order: its runs lie in it by their names.
    place = study / Path(str(row.get("run") or name)).name if name else None
    seconds = row.get("seconds")
    page = place / PAGE if place else None
    return Run(
        name=name or "(not started)",
        state=str(row.get("state", "")),
        choices=[override_text(word) for word in choices if not word.startswith("output=")],
        seconds=float(seconds) if isinstance(seconds, int | float) else None,
        reason=without_paths(row.get("reason") or ""),
        scores=read_scores(RunFolder(place).evaluation) if place else Scores(),
        page=quote(f"{page.parent.name}/{page.name}") if page and page.is_file() else None,
    )


def write_study_page(study: Path, path: Path) -> Made:
    """Write the page of a study.

    Args:
        study: its folder.
        path: of the page.

    Raises:
        DataError: when a file of the study is damaged.
    """
    runs = read_study(study)
    compared = mapping(load_json(study / COMPARISON)) if (study / COMPARISON).is_file() else {}
    scored = [run for run in runs if run.scores.cases]
    drawing = runs_chart(scored) if scored else None
    labels = list(dict.fromkeys(label for run in scored for label in run.scores.labels))[:MOST_LABELS]
    leaderboard = leaderboard_values(compared)
    main = words(scored[0].scores.main) if scored else "Dice"
    finished = sum(run.state == "finished" for run in runs)
    size = write_page(
        path,
        "study.html",
        name=study.name,
        subtitle=f"{len(runs)} runs, {finished} finished, {len(scored)} evaluated",
        main=main,
        labels=labels if len(labels) > 1 else [],
        rows=[run_row(run, labels) for run in runs],
        drawing=drawing,
        best=scored[0].name if scored else None,
        remarks=remarks(runs, scored, compared),
        leaderboard=leaderboard,
    )
    drawings = [drawing, leaderboard["parallel"], *leaderboard["drawings"]]
    return Made(path, size, drawings=[each for each in drawings if each])


def remarks(runs: Sequence[Run], scored: Sequence[Run], compared: Mapping[str, Any]) -> list[str]:
    """Return what is missing, and which command makes it."""
    if not runs:
        return ["This study has no runs yet: segkit train -m key=A,B starts one for each combination."]
    said = []
    if len(scored) < len(runs):
        missing = len(runs) - len(scored)
        said.append(
            f"{missing} of {len(runs)} runs have not been evaluated: segkit compare runs=STUDY does that first."
        )
    if len(scored) > 1 and not compared:
        said.append(
            "Whether the best run is better by more than luck: segkit compare runs=STUDY tells, and segkit report "
            "run=STUDY then shows it here."
        )
    return said


def runs_chart(runs: Sequence[Run]) -> Drawing:
    """Draw how the main metric is spread over the cases of each run, the best run first."""
    shown = [run for run in runs if run.scores.cases == runs[0].scores.cases][:MOST_ROWS]
    name = runs[0].scores.main
    rows = [
        strip_of(run.brief, colour_kind(index), run.scores.means[name], run.scores.statistics(MEAN, name))
        for index, run in enumerate(shown, start=1)
    ]
    main, ends = words(name), ends_of(np.concatenate([row.values for row in rows]), runs[0].scores.unit(name))
    return strips("runs", f"{main} of each run", rows, runs[0].scores.cases, f"mean {main} of a case", also=ends)


def run_row(run: Run, labels: Sequence[str]) -> dict[str, Any]:
    """Return a run's row."""
    main = run.scores.main
    told = run.scores.statistics(MEAN, main)
    return {
        "name": run.name,
        "page": run.page,
        "state": run.state,
        "reason": run.reason,
        "choices": " ".join(run.choices),
        "mean": told.get("mean"),
        "interval": interval_of(told),
        "by_label": [run.scores.statistics(label, main).get("mean") for label in labels] if len(labels) > 1 else [],
        "cases": told.get("n"),
        "hours": None if run.seconds is None else run.seconds / SECONDS_AN_HOUR,
    }
