import math

import numpy as np
import pytest
import torch

from segkit.evaluation.cases import evaluate_arrays
from segkit.evaluation.settings import Settings
from segkit.foundation.errors import DataError, UsageError
from segkit.training.label_metrics import LabelMetrics
from segkit.volumes.grid import Grid, affine_from

LABELS = {"background": 0, "liver": 1, "tumour": 2, "absent": 3}
SETTINGS = Settings(compute=("dice", "hd95"))
SPACING = (1.0, 2.0, 3.0)


def batch(dims=3):
    random = np.random.default_rng(4)
    return (torch.tensor(random.integers(0, 3, (3, 1, 6, 5, 4)[: dims + 2])) for _ in range(2))


def test_means_are_those_of_the_arrays():
    masks, references = batch()
    metric = LabelMetrics(LABELS, SETTINGS)
    metric.update(masks[:2], references[:2], spacing=SPACING)
    metric.update(masks[2:, 0], references[2:, 0], spacing=SPACING)
    grid = Grid((6, 5, 4), affine_from(SPACING))
    cases = [
        evaluate_arrays(m.numpy(), r.numpy(), grid, LABELS, SETTINGS)
        for m, r in zip(masks[:, 0], references[:, 0], strict=True)
    ]
    found = {name: float(value) for name, value in metric.compute().items()}
    for name in ("dice", "hd95"):
        means = [np.mean([case[label][name] for case in cases]) for label in ("liver", "tumour")]
        assert [found[f"{name}_liver"], found[f"{name}_tumour"]] == pytest.approx(means)
        assert found[name] == pytest.approx(np.mean(means))
        assert math.isnan(found[f"{name}_absent"])


def test_pictures_and_reset():
    masks, references = batch(dims=2)
    metric = LabelMetrics(LABELS, SETTINGS)
    metric.update(masks, references, spacing=SPACING[:2])
    assert 0 < float(metric.compute()["dice"]) < 1
    metric.reset()
    metric.update(masks[:, 0], masks[:, 0])
    assert float(metric.compute()["dice"]) == 1


def test_mistakes_say_what_is_wrong():
    with pytest.raises(UsageError, match="no metric or group dise"):
        LabelMetrics(LABELS, Settings(compute=("dise",)))
    with pytest.raises(DataError, match="holds 9"):
        LabelMetrics(LABELS, SETTINGS).update(torch.full((1, 4, 4, 4), 9), torch.zeros(1, 4, 4, 4))
