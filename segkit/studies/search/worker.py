"""One worker of a search: asks for trials, has them trained, ends the hopeless ones, tells how they ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.commands import TuneConfig
from segkit.config.search import Scalar, Space, word
from segkit.foundation.console import say
from segkit.foundation.durations import format_duration, parse_duration
from segkit.foundation.errors import SegkitError, StoppedError
from segkit.foundation.locks import lock
from segkit.studies.board import Board
from segkit.studies.engine import Engine
from segkit.studies.naming import plain_name
from segkit.studies.search import claims
from segkit.studies.search.records import Records, counted
from segkit.studies.search.sampling import combinations, distributions, make_sampler, shown
from segkit.studies.study import RUNNING, Entry, entry_of
from segkit.studies.trackers.tracking import Tracker, ended, track
from segkit.studies.trial import STOPPED, Result, training_config, write_trial

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

LOCK = ".search.lock"
_ENQUEUED = "grid_enqueued"
_POLL_SECONDS = 1.0
_LET_GO = 90.0  # seconds in which the training of a dead worker saves its state and leaves


@dataclass
class OwnTrial:
    """A trial that this worker has started.

    Attributes:
        trial: Optuna's.
        entry: what is shown of it.
        reported: validations told to Optuna so far.
        is_pruned: whether it was asked to stop.
        is_lost: whether another worker has taken it up, since this one was silent for too long.
    """

    trial: Trial
    entry: Entry
    reported: int = 0
    is_pruned: bool = False
    is_lost: bool = False


@dataclass
class Worker:
    """One process that works on a study, beside others maybe.

    Attributes:
        study: Optuna's.
        folder: of the study, with a run folder for each trial.
        config: of the search.
        space: what it varies.
        words: what every training has in common.
        config_dirs: the user's conf folders.
        engine: runs the trainings.
        records: tells how the trials stand.
        tracker: is told of each trial that has ended.
        underway: the trials that this worker has started, by the name of their run folder.
        entries: what is shown of them, and of those that ended.
    """

    study: Study
    folder: Path
    config: TuneConfig
    space: Space
    words: Sequence[str]
    config_dirs: Sequence[Path]
    engine: Engine
    records: Records
    tracker: Tracker | None = None
    underway: dict[str, OwnTrial] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start its clock."""
        self.identity = claims.me()
        self.board = Board(self.entries)
        self.began = self.seen = time.monotonic()
        budget = self.config.sweep.budget
        self.ends = self.began + parse_duration(budget) if budget else float("inf")

    def work(self) -> None:
        """Go on until no trial is left to start, and those that were started have ended."""
        try:
            with self.board, self.engine:
                while self._start_some() or self.underway:
                    for result in self.engine.wait(_POLL_SECONDS):
                        self._tell(result)
                    self._watch()
        finally:
            self._hand_back_all()

    def _start_some(self) -> bool:
        """Start as many trials as there is room for, and say whether any was."""
        started = False
        is_losing = any(own.is_lost for own in self.underway.values())  # its training has its folder until it ends
        while not is_losing and self.engine.has_room() and time.monotonic() < self.ends and (trial := self._next()):
            started = True
            self._start(trial)
        return started

    def _next(self) -> Trial | None:
        """Ask for a trial; None when all were given out."""
        with lock(self.folder / LOCK, doing="choosing a trial"):
            claims.revive(self.study)
            if self.config.sweep.sampler == "grid":
                self._enqueue_grid()
            trials = self.study.get_trials(deepcopy=False)
            is_drawn = self.config.sweep.sampler == "grid" or len(counted(trials)) >= self.config.sweep.trials
            if is_drawn and not any(_is_waiting(each) for each in trials):
                return None
            self.study.sampler = make_sampler(self.config.sweep, self.config.seed + len(trials))
            trial = self.study.ask(distributions(self.space))
            claims.claim(trial, self.identity)
            return trial

    def _enqueue_grid(self) -> None:
        if self.study.user_attrs.get(_ENQUEUED):
            return
        for params in combinations(self.space, self.config.seed)[: self.config.sweep.trials]:
            self.study.enqueue_trial(params, skip_if_exists=True)
        self.study.set_user_attr(_ENQUEUED, value=True)

    def _start(self, trial: Trial) -> None:
        params = {key: trial.params[key] for key in self.space}
        name = claims.run_of(trial) or plain_name(f"{trial.number:03d},{shown(params)}")
        try:
            entry = self._submitted(trial, name, [word(key, value) for key, value in params.items()])
        except StoppedError:
            raise
        except SegkitError as error:  # settings that exclude one another, a folder in use, a queue that takes no job
            self._end_failed(trial, str(error))
            return
        self.underway[name], self.entries[name] = OwnTrial(trial, entry), entry
        again = f", goes on in {name}" if claims.RETRY in trial.user_attrs else ""
        say(f"trial {trial.number:03d} started: {shown(params)}{again}")

    def _submitted(self, trial: Trial, name: str, swept: Sequence[str]) -> Entry:
        words = [*self.words, *swept]
        config = training_config(words, self.config_dirs)
        trial.set_user_attr(claims.RUN, name)
        written = write_trial(self.folder, name, words, config)
        # The training of a dead worker may still be saving its state.
        with lock(written.run / ".lock", doing=f"training in {written.run}", timeout=_LET_GO):
            pass
        self.engine.submit(written)
        entry = entry_of(written, swept, config)
        entry.state = RUNNING
        return entry

    def _watch(self) -> None:
        """Show how trials are, report validations, end those that fall behind, and show that this worker lives."""
        self.board.show(self.engine)
        is_due = time.monotonic() - self.seen > claims.HEARTBEAT
        self.seen = time.monotonic() if is_due else self.seen
        for name in [name for name in self.engine.running if not self.underway[name].is_lost]:
            with self._noticing_loss(name, self.underway[name]):
                self._report(self.underway[name], name, self.engine.progress(name).validations)
                if is_due:
                    claims.give_sign_of_life(self.underway[name].trial)

    @contextmanager
    def _noticing_loss(self, name: str, own: OwnTrial) -> Iterator[None]:
        """Leave a trial to the worker that has taken it up meanwhile: its storage takes nothing more from this one."""
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            yield
        except UpdateFinishedTrialError:
            own.is_lost = True
            say(f"trial {own.trial.number:03d} was taken up by another worker: this one was silent for too long")
            if name in self.engine.running:
                self.engine.stop(name, because="another worker has taken it up")

    def _report(self, own: OwnTrial, name: str, validations: Sequence[Any]) -> None:
        if len(self.study.directions) > 1:
            return  # Optuna judges by one objective alone
        for number, validation in enumerate(validations[own.reported :], start=own.reported + 1):
            own.trial.report(validation.dice, number)
            own.reported = number
            if not own.is_pruned and name in self.engine.running and own.trial.should_prune():
                own.is_pruned = True
                say(f"trial {own.trial.number:03d} is behind: Dice {validation.dice:.4f} at validation {number}")
                self.engine.stop(name, because="pruned")

    def _tell(self, result: Result) -> None:
        own = self.underway.pop(result.trial.name)
        if not own.is_lost:
            with self._noticing_loss(result.trial.name, own):
                self._record_end(own, result)
        self.records.write(self.study)
        state = "pruned" if own.is_pruned and not result.is_success else result.state
        self._show_end(own.entry, result, state)
        if not own.is_lost:
            swept = [word(key, own.trial.params[key]) for key in self.space]
            track(self.tracker, self.folder, replace(ended(result, swept), state=state))

    def _record_end(self, own: OwnTrial, result: Result) -> None:
        from optuna.trial import TrialState

        trial, values = own.trial, objectives(result, self.config.sweep.objectives)
        trial.set_user_attr("seconds", round(result.progress.seconds, 2))
        if result.is_success and values:
            self._report(own, result.trial.name, result.progress.validations)
            self.study.tell(trial, values)
            say(f"trial {trial.number:03d} finished after {format_duration(result.seconds)}: Dice {values[0]:.4f}")
        elif own.is_pruned:
            trial.set_user_attr(claims.REASON, f"pruned after validation {own.reported}")
            self.study.tell(trial, state=TrialState.PRUNED)
        elif _was_killed(result) and int(trial.user_attrs.get(claims.RETRY, 0)) < self.config.sweep.retries:
            self._again(trial, result)
        else:
            self._end_failed(trial, result.reason or (result.state if not result.is_success else "it never validated"))

    def _show_end(self, entry: Entry, result: Result, state: str) -> None:
        entry.state, entry.seconds, entry.progress = state, result.seconds, result.progress
        self.board.keep(entry)

    def _again(self, trial: Trial, result: Result) -> None:
        say(f"trial {trial.number:03d} {result.state}, and is tried again")
        retry = int(trial.user_attrs.get(claims.RETRY, 0)) + 1
        claims.hand_back(self.study, self._stored(trial), reason=result.reason or result.state, retry=retry)

    def _end_failed(self, trial: Trial, reason: str) -> None:
        from optuna.trial import TrialState

        trial.set_user_attr(claims.REASON, reason)
        self.study.tell(trial, state=TrialState.FAIL)
        say(f"trial {trial.number:03d} failed: {reason}")

    def _hand_back_all(self) -> None:
        """Leave what this worker could not finish to the others, or to a later sitting."""
        for each in self.underway.values():
            retry = int(each.trial.user_attrs.get(claims.RETRY, 0))
            claims.hand_back(self.study, self._stored(each.trial), reason="its worker was stopped", retry=retry)
        self.underway.clear()
        self.records.write(self.study)

    def _stored(self, trial: Trial) -> FrozenTrial:
        return next(each for each in self.study.get_trials(deepcopy=False) if each.number == trial.number)


def objectives(result: Result, names: Sequence[str]) -> list[float]:
    """Return the values of a finished training, nothing where it never validated.

    Args:
        result: of its trial.
        names: `dice` is that of the last validation, which saw the final weights; `seconds` those of the training.
    """
    dice = result.progress.dice
    known: dict[str, Scalar] = {"dice": dice, "seconds": result.progress.seconds}
    return [] if dice is None else [float(known[name] or 0.0) for name in names]


def _is_waiting(trial: FrozenTrial) -> bool:
    from optuna.trial import TrialState

    return trial.state == TrialState.WAITING


def _was_killed(result: Result) -> bool:
    """Say whether a signal ended a training that did nothing wrong."""
    return result.exit_code < 0 or result.state == STOPPED
