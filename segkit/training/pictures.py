"""Pictures of a training that is under way, in its run folder: progress.png and worst.png."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pytorch_lightning as pl

from segkit.foundation.console import say
from segkit.runs.folder import RunFolder
from segkit.training.clock import Clock
from segkit.training.curves import draw_progress, read_curves
from segkit.training.stepwise import Stepwise
from segkit.training.worst_case import write_worst

PROGRESS, WORST = "progress.png", "worst.png"
TIMES = 10  # progress.png is drawn in a training that never validates
COST = 0.02  # share of the training time that drawing may take


class Pictures(Stepwise):
    """Draws progress.png at each validation, or ten times a training without any, and worst.png at each validation.

    The clock runs meanwhile: a picture that would take more than a fiftieth of the time since the one before waits for
    the next occasion. The last one is drawn when the clock has stopped.

    Args:
        folder: takes the pictures.
        clock: tells how far the training is.
        labels: foreground labels.
    """

    def __init__(self, folder: RunFolder, clock: Clock, labels: Sequence[str]) -> None:
        self.folder, self.clock, self.labels = folder, clock, labels
        self.can_draw = find_spec("matplotlib") is not None
        self.drawn_at, self.took, self.tenth = 0.0, 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say once what is missing; a resumed training draws its next tenth."""
        self.drawn_at, self.tenth = self.clock.elapsed, self.tenth_at(trainer.global_step)
        if not self.can_draw:
            say(f"{PROGRESS} is not drawn: it needs matplotlib (pip install 'segkit[pictures]')")

    def tenth_at(self, step: int) -> int:
        """Return in which tenth of the training a step lies."""
        return int(self.clock.progress(step) * TIMES)

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Draw where no validation will."""
        tenth = self.tenth_at(trainer.global_step)
        if not trainer.enable_validation and not trainer.should_stop and tenth > self.tenth:
            self.tenth = tenth
            self.draw_when_cheap()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Draw both."""
        worst = getattr(getattr(module, "validator", None), "worst", None)
        if worst is not None:
            write_worst(worst, self.labels, trainer.global_step, self.folder.path / WORST)
        if not trainer.should_stop:
            self.draw_when_cheap()

    def draw_when_cheap(self) -> None:
        """Draw progress.png, unless that takes too large a share of the training."""
        if is_cheap(self.took, self.clock.elapsed - self.drawn_at):
            before = time.monotonic()
            self.draw()
            self.took, self.drawn_at = time.monotonic() - before, self.clock.elapsed

    def draw(self) -> None:
        """Draw progress.png from metrics.csv, which also knows the steps before a resume."""
        if not self.can_draw or not self.folder.metrics.exists():
            return
        curves = read_curves(self.folder.metrics, self.labels)
        if len(curves.steps):
            draw_progress(curves, self.labels, self.folder.path.name, self.folder.path / PROGRESS)

    def state_dict(self) -> dict[str, Any]:
        """Return what drawing took, which the next process would have to learn anew."""
        return {"took": self.took}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with it."""
        self.took = float(state_dict["took"])


def is_cheap(took: float, since: float) -> bool:
    """Say whether a picture that took `took` seconds may be drawn again `since` seconds after the last one."""
    return took <= COST * since
