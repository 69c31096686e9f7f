"""Rules learnt once a training has ended."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segkit.config.labels import labels_from
from segkit.config.rules import Rule
from segkit.training.rules import announce, evidence_of, learn_on
from segkit.volumes.grid import Grid, affine_from


class Predictor:
    unlabelled: dict = {}  # noqa: RUF012

    """Stands for a validator: predicts a cube with two voxels far from it, which the reference does not have."""

    def __init__(self):
        self.labels, self.seen = labels_from({"background": 0, "organ": 1}), []

    def predicted(self, network, case):
        assert not network.training
        self.seen.append(case.name)
        mask = self.reference_of(case)
        mask[0, 0, :2] = 1
        return mask

    def reference_of(self, case):
        reference = np.zeros(case.scan_grid.shape, np.uint8)
        reference[4:8, 4:8, 4:8] = 1
        return reference


def cases(count):
    grid = Grid((10, 10, 10), affine_from((1, 1, 3)))
    return [SimpleNamespace(name=f"case_{index}", scan_grid=grid) for index in reversed(range(count))]


def test_each_case_is_predicted_once_and_volumes_are_in_mm3(capsys):
    validator, network = Predictor(), torch.nn.Identity().train()
    learnt = learn_on(network, validator, cases(7), torch.device("cpu"))
    assert sorted(validator.seen) == list(learnt.cases)
    assert learnt.rules == {"organ": Rule(smallest_mm3=6.1)}  # two voxels of 3 mm3
    announce(learnt)
    said = capsys.readouterr().out
    assert "postprocessing tried on 7 validation cases" in said
    assert "postprocessing learnt on 7 cases, which predictions apply: organ: " in said
    assert said.endswith("no components below 6.1 mm3\n")
    evidence = evidence_of(learnt)
    assert evidence["rules"] == {"organ": {"keep_largest": False, "smallest_mm3": 6.1, "fill_holes": False}}
    assert evidence["evidence"][0]["gain"] == pytest.approx(1 - 2 * 64 / (66 + 64))
    assert evidence["evidence"][0]["p"] == 2 / 2**7


def test_too_few_cases_are_not_even_predicted(capsys):
    validator = Predictor()
    learnt = learn_on(torch.nn.Identity(), validator, cases(5), torch.device("cpu"))
    assert (validator.seen, learnt.rules) == ([], {})
    announce(learnt)
    assert "at least 6 validation cases could tell" in capsys.readouterr().out
