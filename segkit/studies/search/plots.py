"""history.png and importance.png: how a search went, and which settings mattered."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.foundation.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna import Study
    from optuna.trial import FrozenTrial

LEAST = 4  # finished trials from which importance is told: fewer say nothing
_FINISHED, _PRUNED, _BEST = "#1f77b4", "0.6", "#d62728"


def importances(study: Study) -> dict[str, float]:
    """Return the share of each setting in how good the best trials are, the largest first; nothing for few trials.

    Source: Watanabe et al. 2023, "PED-ANOVA", IJCAI; Optuna's implementation.
    """
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(finished) < LEAST or len({trial.values[0] for trial in finished}) == 1:
        return {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*low `target` values.*")  # hence the sign
        return dict(get_param_importances(study, target=lambda trial: -float(trial.values[0])))


def draw_importance(study: Study, path: Path) -> Path | None:
    """Draw which settings mattered for Dice.

    Returns:
        `path`; None where too few trials have finished, or matplotlib is not installed.
    """
    shares = importances(study)
    if not shares or find_spec("matplotlib") is None:
        return None
    figure = _figure(7, 1.2 + 0.4 * len(shares))
    axes = figure.subplots()
    names = list(reversed(shares))
    axes.barh(names, [100 * shares[name] for name in names], color=_FINISHED)
    axes.set_xlabel("share in validation Dice, %")
    axes.set_xlim(0, 100)
    return _save(figure, path)


def draw_history(study: Study, path: Path) -> Path | None:
    """Draw the Dice of each trial in their order, and below it how each came there by its validations.

    With two objectives the lower panel shows one against the other.

    Returns:
        `path`; None where nothing has ended, or matplotlib is not installed.
    """
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    ended = [trial for trial in ended if trial.values]
    if not ended or find_spec("matplotlib") is None:
        return None
    figure = _figure(9, 7)
    upper, lower = figure.subplots(2, 1)
    _draw_trials(upper, ended)
    if len(study.directions) > 1:
        _draw_front(lower, ended, {trial.number for trial in study.best_trials})
    else:
        _draw_courses(lower, ended, study.best_trial.number if _finished(ended) else -1)
    return _save(figure, path)


def _finished(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state.name == "COMPLETE"]


def _draw_trials(axes: Axes, ended: Sequence[FrozenTrial]) -> None:
    finished = _finished(ended)
    pruned = [trial for trial in ended if trial.state.name == "PRUNED"]
    if pruned:
        axes.scatter(_numbers(pruned), _dice(pruned), color=_PRUNED, marker="x", zorder=3, label="pruned")
    if finished:
        best = [max(_dice(finished[: index + 1])) for index in range(len(finished))]
        axes.scatter(_numbers(finished), _dice(finished), color=_FINISHED, zorder=3, label="finished")
        axes.step(_numbers(finished), best, where="post", color=_BEST, label="best so far")
    axes.set_xlabel("trial")
    axes.set_ylabel("validation Dice")
    axes.grid(visible=True, color="0.9")
    axes.legend(loc="lower right", fontsize="small")


def _draw_courses(axes: Axes, ended: Sequence[FrozenTrial], best: int) -> None:
    for trial in ended:
        steps = sorted(trial.intermediate_values)
        colour = _BEST if trial.number == best else _FINISHED if trial.state.name == "COMPLETE" else _PRUNED
        width = 2.0 if trial.number == best else 1.0
        axes.plot(steps, [trial.intermediate_values[step] for step in steps], color=colour, linewidth=width, marker=".")
    axes.set_xlabel("validation of a trial")
    axes.set_ylabel("Dice")
    axes.grid(visible=True, color="0.9")


def _draw_front(axes: Axes, ended: Sequence[FrozenTrial], front: set[int]) -> None:
    for trial in _finished(ended):
        axes.scatter(trial.values[1], trial.values[0], color=_BEST if trial.number in front else _FINISHED)
        axes.annotate(str(trial.number), (trial.values[1], trial.values[0]), fontsize="small", xytext=(4, 4),
                      textcoords="offset points")  # fmt: skip
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("validation Dice")
    axes.grid(visible=True, color="0.9")


def _numbers(trials: Sequence[FrozenTrial]) -> list[int]:
    return [trial.number for trial in trials]


def _dice(trials: Sequence[FrozenTrial]) -> list[float]:
    return [float(trial.values[0]) for trial in trials]


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> Path:
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
    return path
