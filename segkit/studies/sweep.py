"""`segkit train -m`: every combination of the swept overrides, each checked before the first one starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import Any

from segkit.config.call import Call
from segkit.config.checks import EACH
from segkit.config.groups import config_sources
from segkit.datasets.dataset import completed
from segkit.foundation.console import paths_written, say, table
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import CasesFailedError, StoppedError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.machine import starter
from segkit.runs.folder import RunFolder, check_same_config, new_run_folder
from segkit.studies.board import Board
from segkit.studies.combinations import Combination, expand
from segkit.studies.engine import Engine
from segkit.studies.launching import Launcher, build_launcher
from segkit.studies.naming import trial_name
from segkit.studies.resuming import KEY, recall, resumed_study
from segkit.studies.study import STUDY_FILE, Entry, Study, entry_of, held, is_study, read_study
from segkit.studies.trackers.tracking import Tracker, build_tracker, ended, track
from segkit.studies.trial import training_config, write_trial

Composed = tuple[Combination, Any]  # the latter is its checked config


def sweep(call: Call) -> Path:
    """Train once for each combination of the swept overrides, or go on with a study that was interrupted.

    Args:
        call: what was typed; `output` names the study's folder, each trial a folder in it; `study.resume` one to go on
            with.

    Returns:
        The study's folder, with `study.json` and a run folder for each trial.

    Raises:
        UsageError: when any trial's config does not hold; nothing was started or written then.
        CasesFailedError: when trials failed, naming them; the others were finished.
        StoppedError: after Ctrl-C or SIGTERM, once every trial has saved its state.
    """
    check_alone()
    if any(word.startswith(f"{KEY}=") and word != f"{KEY}=null" for word in call.overrides):
        opened = resumed_study(call)
    else:
        opened = new_study(call)
    with opened as (study, launcher, tracker):
        study.save()
        try:
            run(study, Engine(launcher), tracker)
        except (KeyboardInterrupt, StoppedError) as error:
            study.note_stop()
            again = f"segkit train -m {KEY}={study.folder}"
            raise StoppedError(f"stopped; every trial's state is saved, and {again} goes on") from error
        from segkit.studies.folds import pool_folds  # it reads volumes, which no check of a sweep needs

        pool_folds(study)
    summarise(study)
    return study.folder


def check_alone() -> None:
    """Require that nothing started this process several times over, of which each would run the study.

    Raises:
        UsageError: when torchrun or srun did.
    """
    if by := starter():
        raise UsageError(
            f"-m was started several times over by {by}: leave {by} out; training.devices=2 trains each on two, "
            "and launcher=slurm submits them"
        )


def run(study: Study, engine: Engine, tracker: Tracker | None = None) -> None:
    """Run what is not finished and keep the record true meanwhile."""
    todo = study.todo
    kept = len(study.entries) - len(todo)
    say(f"{len(study.entries)} trials in {study.folder}" + (f", {kept} finished already" if kept else ""))
    with Board(study.entries) as board, engine:
        for result in engine.run(todo, started=study.note_start, watched=lambda: board.show(engine)):
            entry = study.note_end(result)
            board.ended(entry)
            track(tracker, study.folder, ended(result, entry.swept))


@contextmanager
def new_study(call: Call) -> Iterator[tuple[Study, Launcher, Tracker | None]]:
    """Compose and check every trial, then hold the study's folder and write what they start from.

    Yields:
        The study, in which trials that an earlier call of the same words finished are finished, where it runs, and
        where it is told to.
    """
    composed = compositions(call)
    configs = [config for _, config in composed]
    devices = max(config.training.devices or 1 for config in configs)
    launcher, tracker = build_launcher(configs[0].launcher, devices), build_tracker(configs[0].tracker)
    folder = _study_folder(configs)
    check_writable(folder)
    with held(folder):
        command = {"overrides": call.overrides, "config_dirs": call.config_dirs, "cwd": call.cwd}
        yield Study(folder, _written(folder, composed), command), launcher, tracker


def _written(folder: Path, composed: Sequence[Composed]) -> list[Entry]:
    """Write what trials start from, once no run folder holds a run of another config."""
    names: list[str] = []
    for combination, config in composed:
        names.append(trial_name(combination.swept, names))
        _check_same(folder, names[-1], config)
    entries = [
        entry_of(write_trial(folder, name, combination.words, config), combination.swept, config)
        for name, (combination, config) in zip(names, composed, strict=True)
    ]
    recall(entries, read_study(folder).rows if is_study(folder) else {})
    return entries


def compositions(call: Call) -> list[Composed]:
    """Return every combination with its checked config: of what was typed, and of what a chosen experiment sweeps.

    Raises:
        UsageError: naming the first trial whose config does not hold.
    """
    sources, found = config_sources(call.config_dirs), []
    typed = {word.partition("=")[0].lstrip("+~") for word in call.overrides}
    for base in expand(unmeasured(call.overrides), sources):
        config = _checked(base, call)
        own = [f"{key}={value}" for key, value in config.study.sweep.items() if key not in typed]
        if not own:
            found += _each_fold(base, config, call)
            continue
        for one in expand([*base.words, *own], sources):
            combination = Combination((*base.swept, *one.swept), one.words)
            found += _each_fold(combination, _checked(combination, call), call)
    return found


def _each_fold(combination: Combination, config: Any, call: Call) -> list[Composed]:
    """Return a combination with its config; for `training.fold=each` one for each fold of its data set."""
    if config.training.fold != EACH:
        return [(combination, config)]
    kept = [word for word in combination.words if not word.startswith("training.fold=")]
    folds = [f"training.fold={fold}" for fold in range(_fold_count(config))]
    each = [Combination((*combination.swept, fold), (*kept, fold)) for fold in folds]
    return [(fold, _checked(fold, call)) for fold in each]


def _fold_count(config: Any) -> int:
    options = config.data.split
    if isinstance(options.folds, int) and not options.file:
        return options.folds
    from segkit.datasets.dataset import open_dataset
    from segkit.datasets.presence import strata_by_labels
    from segkit.datasets.splits import count_folds
    from segkit.preparation.identical import together_by_content

    dataset = open_dataset(config.data)
    cases = list(dataset.cases.values())
    strata = strata_by_labels(cases, dataset.labels, options.stratify_by, config.workers)
    return count_folds(cases, options, together=together_by_content(cases), strata=strata)


def _checked(combination: Combination, call: Call) -> Any:
    try:
        return training_config(combination.words, call.config_dirs)
    except UsageError as error:
        where = f"trial {', '.join(combination.swept)}: " if combination.swept else ""
        raise UsageError(f"{where}{error}") from error


def _study_folder(configs: Sequence[Any]) -> Path:
    first = configs[0]
    if first.output is not None:
        return Path(first.output)
    names = {config.name for config in configs}
    return new_run_folder(Path(first.paths.runs), first.name if len(names) == 1 else "sweep").path


def _check_same(study: Path, name: str, config: Any) -> None:
    """Make sure that a trial's run folder holds, as far as it was trained, what a config would train."""
    run = RunFolder(study / name)
    if run.is_run:
        wanted = asdict(replace(config, data=completed(config.data)))
        check_same_config(run, wanted, f"go on with that study: segkit train -m study.resume={quote(str(study))}")


def unmeasured(words: Sequence[str]) -> list[str]:
    """Let plans estimate steps: a study must not vary its networks with what else the machine does at the time."""
    said = any(word.startswith("plan.measure=") for word in words)
    return [*words] if said else [*words, "plan.measure=false"]


def summarise(study: Study) -> None:
    """Print how the trials ended and what was written.

    Raises:
        CasesFailedError: when any did not finish.
    """
    rows = [
        (
            entry.trial.name, *([entry.data] if several_sets(study) else []), entry.state,
            format_duration(entry.seconds), "-" if entry.progress.dice is None else f"{entry.progress.dice:.4f}",
        )
        for entry in sorted(study.entries.values(), key=lambda entry: entry.data)
    ]  # fmt: skip
    table("trials", ("trial", *(["data"] if several_sets(study) else []), "state", "time", "Dice"), rows)
    if any(entry.is_finished and entry.progress.dice is None for entry in study.entries.values()):
        say(
            "Dice -: no case of the trial validates. training.fold=0 or training.fold=each lets some, and "
            f"segkit compare runs={study.folder} scores held-out cases where there are any"
        )
    paths_written([study.folder / STUDY_FILE])
    if study.failed:
        lines = [f"{e.trial.name} ({e.reason})" if e.reason else e.trial.name for e in study.failed]
        raise CasesFailedError(f"{len(lines)} of {len(study.entries)} trials failed: {'; '.join(lines)}")


def several_sets(study: Study) -> bool:
    """Say whether the trials train on more than one data set."""
    return len({entry.data for entry in study.entries.values()}) > 1
