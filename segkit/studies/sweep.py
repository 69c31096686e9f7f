"""`segkit train -m`: every combination of the swept overrides, each checked before the first one starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException

from segkit.config.call import Call
from segkit.config.checks import check_inputs
from segkit.config.compose import configure
from segkit.config.groups import Sources, choices, config_sources
from segkit.config.overrides import read_overrides
from segkit.config.suggestions import one_line
from segkit.foundation.console import paths_written, say, table
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.foundation.files import check_writable, write_json
from segkit.runs.folder import new_run_folder
from segkit.studies.engine import Engine
from segkit.studies.launching import build_launcher
from segkit.studies.trial import Result, Trial, write_trial

_UNSAFE = re.compile(r"[^\w.,=+-]+")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Combination:
    """One combination: the words that tell it from the others, and all words of its training."""

    swept: tuple[str, ...]
    words: tuple[str, ...]


def sweep(call: Call) -> Path:
    """Train once for each combination of the swept overrides.

    Args:
        call: what was typed; `output` names the study's folder, each trial a folder in it.

    Returns:
        The study's folder, with `study.json` and a run folder for each trial.

    Raises:
        UsageError: when any trial's config does not hold; nothing was started or written then.
        CasesFailedError: when trials failed, naming them; the others were finished.
    """
    combinations = expand(unmeasured(call.overrides), config_sources(call.config_dirs))
    configs = [_checked(combination, call) for combination in combinations]
    launcher = build_launcher(configs[0].launcher)
    study = _study_folder(configs)
    trials = _write_trials(study, combinations, configs)
    say(f"{len(trials)} trials in {study}")
    results: list[Result] = []
    _record(study, trials, results)
    with Engine(launcher) as engine:
        for result in engine.run(trials):
            results.append(result)
            _record(study, trials, results)
            reason = f": {result.reason}" if result.reason else ""
            say(f"trial {result.trial.name} {result.state} after {format_duration(result.seconds)}{reason}")
    rows = [(r.trial.name, r.state, format_duration(r.seconds)) for r in results]
    table("trials", ("trial", "state", "time"), rows)
    paths_written([study / "study.json"])
    failed = [result.trial.name for result in results if not result.is_success]
    if failed:
        raise CasesFailedError(f"{len(failed)} of {len(trials)} trials failed: {'; '.join(failed)}")
    return study


def unmeasured(words: Sequence[str]) -> list[str]:
    """Let plans estimate steps: a study must not vary its networks with what else the machine does at the time."""
    said = any(word.startswith("plan.measure=") for word in words)
    return [*words] if said else [*words, "plan.measure=false"]


def expand(words: Sequence[str], sources: Sources) -> list[Combination]:
    """Return every combination of the swept overrides, the last one typed varying fastest.

    Paths are never swept: `output=a,b` is one folder called `a,b`.

    Raises:
        UsageError: when a word is malformed, or asks for an interval, which only a search can draw from.
    """
    read = read_overrides("train", words, sources, sweep=True)
    if "resume" in read.paths:
        raise UsageError("resume goes on with one run: leave out -m")
    is_swept = {o.input_line: o for o in (*read.choices, *read.values) if o.is_sweep_override()}
    values = [_values(is_swept[word], sources) if word in is_swept else [word] for word in words]
    return [
        Combination(tuple(w for w, typed in zip(chosen, words, strict=True) if typed in is_swept), tuple(chosen))
        for chosen in product(*values)
    ]


def _values(override: Override, sources: Sources) -> list[str]:
    if not override.is_discrete_sweep():
        raise UsageError(f"{override.input_line}: an interval has no end of values; write A,B or range(start,stop)")
    pattern: Any = override.value()
    try:
        if isinstance(pattern, Glob):
            texts = pattern.filter(choices(sources, override.key_or_group))
        else:
            texts = list(override.sweep_string_iterator())
    except HydraException as error:
        raise UsageError(f"{override.input_line}: {one_line(error)}") from error
    if not texts:
        raise UsageError(f"{override.input_line}: nothing to sweep over")
    return [f"{override.get_key_element()}={text}" for text in texts]


def _checked(combination: Combination, call: Call) -> Any:
    try:
        config = configure("train", combination.words, config_dirs=call.config_dirs)
        check_inputs(config)
    except UsageError as error:
        where = f"trial {', '.join(combination.swept)}: " if combination.swept else ""
        raise UsageError(f"{where}{error}") from error
    return config


def _study_folder(configs: Sequence[Any]) -> Path:
    first = configs[0]
    if first.output is not None:
        study = Path(first.output)
    else:
        names = {config.name for config in configs}
        study = new_run_folder(Path(first.paths.runs), first.name if len(names) == 1 else "sweep").path
    check_writable(study)
    return study


def _write_trials(study: Path, combinations: Iterable[Combination], configs: Iterable[Any]) -> list[Trial]:
    trials: list[Trial] = []
    for combination, config in zip(combinations, configs, strict=True):
        name = _name(combination.swept, {trial.name for trial in trials})
        trials.append(write_trial(study, name, combination.words, config))
    return trials


def _name(swept: Sequence[str], taken: set[str]) -> str:
    """Return a folder's name that tells the trial from the others."""
    plain = _UNSAFE.sub("_", ",".join(swept))[:_LONGEST_NAME].strip("._") or "trial"
    number, name = 1, plain
    # Some file systems take a and A for one name.
    while name.lower() in {other.lower() for other in taken} or name == "configs":
        number += 1
        name = f"{plain}-{number}"
    return name


def _record(study: Path, trials: Sequence[Trial], results: Sequence[Result]) -> None:
    ended = {result.trial.name: result for result in results}
    rows = []
    for trial in trials:
        result = ended.get(trial.name)
        row = {"name": trial.name, "run": trial.run, "overrides": trial.overrides}
        row |= {"state": result.state, "seconds": round(result.seconds, 1)} if result else {"state": "waiting"}
        rows.append(row)
    write_json(study / "study.json", {"trials": rows})
