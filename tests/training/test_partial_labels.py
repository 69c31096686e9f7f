from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.labels import IGNORED, labels_from
from segkit.datasets import Case
from segkit.datasets.unlabelled import unlabelled_of
from segkit.foundation.errors import DataError, UsageError
from segkit.training.losses import DiceCrossEntropy
from segkit.training.partial_labels import annotated_outputs, marginal, without_undrawn
from segkit.training.sampling import PatchDataset

LABELS = labels_from({"background": 0, "liver": 1, "spleen": 2})


def logits(seed=0):
    return torch.randn((2, 3, 4, 4, 4), generator=torch.Generator().manual_seed(seed), requires_grad=True)


@given(st.integers(0, 1000))
def test_absent_classes_count_as_background(seed):
    given_logits = logits(seed)
    annotated = torch.tensor([[True, False, True], [True, True, True]])
    plain, merged = given_logits.softmax(1), marginal(given_logits, annotated, is_regions=False).softmax(1)
    torch.testing.assert_close(merged[0, 0], plain[0, 0] + plain[0, 1], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(merged[0, 2], plain[0, 2], atol=1e-6, rtol=1e-5)
    assert merged[0, 1].abs().max() == 0
    torch.testing.assert_close(merged[1], plain[1], atol=1e-6, rtol=1e-5)


def test_by_hand():
    one = torch.log(torch.tensor([1.0, 2.0, 5.0])).reshape(1, 3, 1, 1, 1)
    merged = marginal(one, torch.tensor([[True, True, False]]), is_regions=False).softmax(1).flatten()
    assert merged.tolist() == pytest.approx([6 / 8, 2 / 8, 0])


def test_nothing_missing_changes_nothing():
    given_logits = logits()
    assert marginal(given_logits, torch.ones((2, 3), dtype=torch.bool), is_regions=False) is given_logits


def test_no_gradient_tells_background_from_what_was_not_drawn():
    given_logits, target = logits(), torch.zeros((2, 4, 4, 4), dtype=torch.long)
    annotated = torch.tensor([[True, False, False]] * 2)
    DiceCrossEntropy()(marginal(given_logits, annotated, is_regions=False), target).backward()
    assert given_logits.grad.abs().max() < 1e-6
    target[:, :2] = 1
    annotated = torch.tensor([[True, True, False]] * 2)
    given_logits = logits()
    DiceCrossEntropy()(marginal(given_logits, annotated, is_regions=False), target).backward()
    assert given_logits.grad[:, 1].abs().min() > 0
    assert torch.isfinite(given_logits.grad).all()


def test_regions_that_were_not_drawn_are_left_alone():
    given_logits = logits()
    regions = torch.zeros((2, 3, 4, 4, 4), dtype=torch.uint8)
    regions[:, 0] = 1
    annotated = torch.tensor([[True, False, True]] * 2)
    DiceCrossEntropy()(marginal(given_logits, annotated, is_regions=True), regions).backward()
    assert given_logits.grad[:, 1].abs().max() == 0
    assert given_logits.grad[:, 0].abs().max() > 0


def test_a_region_that_was_not_drawn_counts_nowhere_though_values_of_another_lie_in_it():
    annotated, regions = (
        torch.tensor([[False, True, True], [True, True, True]]),
        torch.zeros((2, 3, 4, 4, 4), dtype=torch.uint8),
    )
    regions[:, :, 0] = 1  # of the first sample nobody drew the first region: this is what the others hold of it
    regions[:, :, 3] = IGNORED
    left, outputs = without_undrawn(regions, annotated), marginal(logits(), annotated, is_regions=True)
    assert left[0, 0].unique().tolist() == [0, IGNORED]
    assert torch.equal(left[0, 1:], regions[0, 1:])
    assert torch.equal(left[1], regions[1])
    empty = regions.clone()
    empty[0, 0, 0] = 0
    assert (
        DiceCrossEntropy()(outputs, left)
        == DiceCrossEntropy()(outputs, empty)
        < 10
        < DiceCrossEntropy()(outputs, regions)
    )


def cases(*texts):
    return [Case(f"case_{i}", {}, None, {"drawn": text}) for i, text in enumerate(texts)]


def test_the_column_says_what_was_drawn():
    found = unlabelled_of(cases("liver", "", "liver; spleen", "background"), "drawn", LABELS)
    assert found == {"case_0": {"spleen"}, "case_3": {"liver", "spleen"}}
    assert unlabelled_of(cases("liver"), None, LABELS) == {}


@pytest.mark.parametrize(("column", "text", "said"), [("drwn", "", "no case has a column"), ("drawn", "livr", "liver")])
def test_mistakes_are_told(column, text, said):
    with pytest.raises(UsageError, match=said):
        unlabelled_of(cases(text), column, LABELS)


def test_samples_tell_which_outputs_their_reference_speaks_of(balls):
    _, plan, prepared = balls
    both = [SimpleNamespace(name=case.name, record={"positions": [9, 0]}) for case in prepared]
    outputs = annotated_outputs(both, {prepared[0].name: frozenset({"spleen"})}, LABELS)
    assert outputs[prepared[0].name].tolist() == [True, True, False]
    assert outputs[prepared[1].name].all()
    patches = PatchDataset(prepared[:1], plan.patch, 0, 0.5, outputs)
    assert np.array_equal(patches[(0, 0)]["annotated"], [True, True, False])
    assert annotated_outputs(both, {}, LABELS) == {}


def test_a_reference_that_holds_what_was_not_drawn_is_refused(balls):
    _, _, prepared = balls
    with pytest.raises(DataError, match="holds ball"):
        annotated_outputs(prepared, {prepared[0].name: frozenset({"ball"})}, labels_from({"background": 0, "ball": 1}))


def test_of_regions_a_drawn_one_explains_the_values_that_it_shares():
    labels = labels_from({"background": [0, 7], "whole": [1, 2], "core": 2}, [1, 2])
    holds = {name: SimpleNamespace(name=name, record={"positions": [3, *counts]}) for name, counts in
             {"rim and core": [5, 9], "core": [0, 9]}.items()}  # fmt: skip
    without_whole = frozenset({"whole"})
    assert annotated_outputs([holds["core"]], {"core": without_whole}, labels)["core"].tolist() == [False, True]
    with pytest.raises(DataError, match="rim and core holds whole, not named in its column"):
        annotated_outputs([holds["rim and core"]], {"rim and core": without_whole}, labels)
    with pytest.raises(DataError, match="core holds whole and core"):
        annotated_outputs([holds["core"]], {"core": frozenset({"whole", "core"})}, labels)
