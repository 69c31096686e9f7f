"""Where losses, Dice and what callbacks log go beside metrics.csv: `logger=csv|tensorboard|mlflow|wandb`."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger

from segkit.foundation.building import TARGET
from segkit.foundation.errors import MissingExtraError
from segkit.foundation.files import atomic_file
from segkit.training.lightning_parts import built
from segkit.training.metrics_columns import STEP_COLUMNS

EXTRAS = {"TensorBoardLogger": "tensorboard", "MLFlowLogger": "mlflow", "WandbLogger": "wandb"}  # class to package
COLUMNS = ("step", "name", "value")


class RowsFile(Logger):
    """Appends what callbacks log to `logged.csv`, a row a value; metrics.csv holds the rest already.

    Args:
        save_dir: folder of the file, the run's.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir) / "logged.csv"
        self.is_open = False

    @property
    def name(self) -> str:
        """The choice that this is."""
        return "csv"

    @property
    def version(self) -> str:
        """None: a run has one."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Leave them out: config.yaml holds them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Append values; the first ones of a resumed training replace those of the same step and later."""
        found = {name: value for name, value in metrics.items() if not is_in_metrics_file(name)}
        if not found:
            return
        self.is_open = self.is_open or self.begin(step or 0)
        with self.path.open("a", encoding="utf-8", newline="") as file:
            rows = ((step, name, f"{float(value):.6g}") for name, value in found.items())
            csv.writer(file, lineterminator="\n").writerows(rows)

    def begin(self, step: int) -> bool:
        """Begin the file, or cut it back to what was logged before `step`."""
        kept: list[list[str]] = []
        if self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS) and row[0].isdigit()]
            kept = [row for row in rows if int(row[0]) < step]
        with atomic_file(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *kept])
        return True


def is_in_metrics_file(name: str) -> bool:
    """Say whether metrics.csv has this value, or Lightning made it up (there are no epochs)."""
    return name in (*STEP_COLUMNS, "epoch", "dice") or name.startswith("dice_")


def check_extra(options: Mapping[str, Any]) -> None:
    """Require the package that the chosen logger writes with.

    Raises:
        MissingExtraError: when it is not installed.
    """
    package = EXTRAS.get(str(options.get(TARGET)).rpartition(".")[2])
    if package and find_spec(package) is None:
        raise MissingExtraError(package, package, f"logger={package}")


def build_logger(options: Mapping[str, Any], folder: Path) -> Logger:
    """Build the chosen logger, which writes into the run folder unless its yaml says otherwise.

    Raises:
        UsageError: when the target is no Lightning logger.
        MissingExtraError: when its package is not installed.
    """
    check_extra(options)
    logger: Logger = built("logger", {"save_dir": str(folder), **options, **mlflow_place(options, folder)}, (Logger,))
    return logger


def mlflow_place(options: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return where MLflow keeps a run that names no server: a database in the run folder."""
    # Its own default, a folder of files, is refused by MLflow 3.
    is_mlflow = str(options.get(TARGET)).endswith(".MLFlowLogger")
    if not is_mlflow or options.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI"):
        return {}
    return {"tracking_uri": f"sqlite:///{folder.absolute()}/mlflow.db"}
