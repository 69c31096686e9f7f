"""segkit's metrics as a torchmetrics `Metric`, for training loops of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from segkit.config.labels import Declared
from segkit.evaluation.cases import evaluate_arrays, foreground_of
from segkit.evaluation.metrics import chosen
from segkit.evaluation.settings import Settings
from segkit.volumes.grid import Grid, affine_from


class LabelMetrics(Metric):
    """Mean over cases of each metric and label, gathered over processes.

    `update` takes masks as label values; `compute` returns `dice_liver`, `hd95_liver`, ... and the means over labels,
    `dice`, `hd95`, .... A label that neither mask of any case holds has NaN.

        metrics = LabelMetrics({"background": 0, "liver": 1}, Settings(compute=("dice", "hd95")))
        metrics.update(mask, reference, spacing=(1.0, 1.0, 2.5))
    """

    full_state_update = False
    values: list[Tensor]

    def __init__(self, labels: Declared, settings: Settings | None = None, **options: Any) -> None:
        """Settle what is measured.

        Args:
            labels: name -> value, as `data.labels` declares them.
            settings: which metrics, by which conventions; None takes those of `conf/evaluate.yaml`.
            options: of torchmetrics, such as `sync_on_compute`.

        Raises:
            UsageError: when `labels` is ambiguous, or there is no metric of a name.
        """
        super().__init__(**options)
        self.labels, self.settings = labels, settings or Settings()
        self.names = [metric.name for metric in chosen(self.settings)]
        self.foreground = list(foreground_of(labels))
        self.add_state("values", default=[], dist_reduce_fx="cat")

    def update(self, masks: Tensor, references: Tensor, spacing: Sequence[float] | None = None) -> None:
        """Score a batch.

        Args:
            masks: predicted label values, shape (N, X, Y[, Z]), or with `spacing` also (N, 1, X, Y[, Z]).
            references: the expert's, same shape.
            spacing: in mm along each axis; None means 1 mm.

        Raises:
            DataError: when a value is not declared or the shapes differ.
        """
        dims = masks.ndim - 1 if spacing is None else len(spacing)
        with_channel = masks.ndim - 1 > dims
        for mask, reference in zip(masks, references, strict=True):
            ours, theirs = (_plain(tensor[0] if with_channel else tensor) for tensor in (mask, reference))
            grid = Grid(ours.shape, affine_from(spacing or (1.0,) * ours.ndim))
            scores = evaluate_arrays(ours, theirs, grid, self.labels, self.settings)
            table = [[scores[label][name] for name in self.names] for label in self.foreground]
            self.values.append(torch.tensor([table], dtype=torch.float64, device=self.device))

    def compute(self) -> dict[str, Tensor]:
        """Return the mean of each metric over the cases, for each label and over the labels of each case."""
        values = dim_zero_cat(self.values)  # a list of cases, or one tensor once processes are gathered
        means, overall = values.nanmean(dim=0), values.nanmean(dim=1).nanmean(dim=0)
        found = {name: overall[at] for at, name in enumerate(self.names)}
        for row, label in enumerate(self.foreground):
            found |= {f"{name}_{label}": means[row, at] for at, name in enumerate(self.names)}
        return found


def _plain(tensor: Tensor) -> NDArray[Any]:
    """Return one case's values, shape (X, Y[, Z])."""
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array
