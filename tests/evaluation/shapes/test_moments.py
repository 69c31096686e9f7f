import numpy as np
import pytest
import SimpleITK

from segkit.evaluation.shapes.moments import axis_lengths, centre_of


def test_by_hand():
    block = np.ones((2, 2, 2), bool)  # voxel centres half a voxel from their mean: variance 1/4 along each axis
    assert centre_of(block).tolist() == [0.5, 0.5, 0.5]
    assert axis_lengths(block, np.diag([1.0, 2.0, 5.0])).tolist() == pytest.approx([10, 4, 2])
    assert axis_lengths(np.ones((1, 1, 1), bool), np.eye(3)).tolist() == [0, 0, 0]
    assert axis_lengths(np.ones((4, 3, 1), bool), np.eye(3))[2] == 0
    assert axis_lengths(np.ones((1, 2), bool), np.eye(3)[:, :2]).tolist() == pytest.approx([2, 0])


def test_equals_simpleitk_and_numpy_on_an_oblique_grid():
    random = np.random.default_rng(3)
    mask = random.random((7, 9, 5)) < 0.4
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    spacing = np.array([0.7, 1.3, 4.0])
    image = SimpleITK.GetImageFromArray(mask.T.astype(np.uint8))
    image.SetSpacing(spacing.tolist())
    image.SetDirection(turn.ravel().tolist())
    found = SimpleITK.LabelShapeStatisticsImageFilter()
    found.Execute(image)
    steps = turn * spacing
    np.testing.assert_allclose(steps @ centre_of(mask), found.GetCentroid(1), rtol=1e-9)
    variances = np.sort((axis_lengths(mask, steps) / 4) ** 2)
    places = np.argwhere(mask) @ steps.T
    np.testing.assert_allclose(variances, np.linalg.eigvalsh(np.cov(places.T, bias=True)), rtol=1e-9)
