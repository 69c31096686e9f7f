"""What one sees while a study or a search runs: a live table on a terminal, a line for each end when piped."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType

from segkit.foundation.console import live_table, say
from segkit.foundation.durations import format_duration
from segkit.studies.engine import Engine
from segkit.studies.study import RUNNING, WAITING, Entry

COLUMNS = ("trial", "state", "where", "done", "best Dice", "time", "left")
_ENDED_SHOWN = 8  # of those that ended, the last ones


class Board:
    """Shows how a study stands.

    Args:
        entries: trials by name, which are shown, and told how far each is; more may come while it is open.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self.ended_here: list[Entry] = []
        self.exits = ExitStack()

    def __enter__(self) -> Board:
        """Begin to show."""
        self.update = self.exits.enter_context(live_table(COLUMNS))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen as it is."""
        self.exits.__exit__(kind, error, trace)

    def show(self, engine: Engine) -> None:
        """Look at every trial under way and draw the table anew."""
        rows = [self._row(entry) for entry in self.ended_here[-_ENDED_SHOWN:]]
        for name, underway in engine.running.items():
            entry = self.entries[name]
            entry.progress = engine.progress(name)
            rows.append(self._row(entry, underway.job.place(), underway.seconds))
        waiting = sum(entry.state == WAITING for entry in self.entries.values())
        if waiting:
            rows.append((f"{waiting} more", WAITING, "", "", "", "", self._left(engine)))
        self.update(rows)

    def keep(self, entry: Entry) -> None:
        """Go on showing a trial that has ended, among the last ones."""
        self.ended_here.append(entry)

    def ended(self, entry: Entry) -> None:
        """Say how a trial ended, and go on showing it."""
        self.keep(entry)
        reason = f": {entry.reason}" if entry.reason else ""
        dice = "" if entry.progress.dice is None else f", Dice {entry.progress.dice:.3f}"
        over = sum(each.has_ended for each in self.entries.values())
        count = f"{over} of {len(self.entries)}"
        say(f"{count}: trial {entry.trial.name} {entry.state} after {format_duration(entry.seconds)}{dice}{reason}")

    def _row(self, entry: Entry, place: str = "", seconds: float | None = None) -> tuple[str, ...]:
        share, best = entry.share_done, entry.progress.best_dice
        spent = entry.seconds if seconds is None else seconds
        trained = entry.progress.seconds
        left = trained / share - trained if entry.state == RUNNING and share > 0 else None
        return (
            entry.trial.name, entry.state, place, f"{share:.0%}", "-" if best is None else f"{best:.4f}",
            format_duration(spent), "" if left is None else format_duration(left),
        )  # fmt: skip

    def _left(self, engine: Engine) -> str:
        """Estimate how long the rest takes: each as long as those that ended, as many at a time as now."""
        spent = [entry.seconds for entry in self.ended_here if entry.is_finished]
        if not spent:
            return ""
        waiting = sum(entry.state == WAITING for entry in self.entries.values())
        return format_duration(sum(spent) / len(spent) * waiting / max(1, len(engine.running)))
