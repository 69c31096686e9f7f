"""The brain of made heads, where it is known."""

import numpy as np
import pytest
from monai.data import MetaTensor

from segkit.foundation.errors import DataError, UsageError
from segkit.preparation.classic import KeepBrain
from segkit.preparation.classic.brain import closed, distances, grown
from segkit.volumes.grid import affine_from


def phantom(spacing, seed=0):
    """A head of 150 x 180 x 140 mm: scalp, dark skull, CSF, brain with ventricles and a sulcus, three bridges.

    Returns:
        intensities and where the brain is, both (X, Y, Z).
    """
    axes = [np.arange(-half, half, step) for half, step in zip((80, 95, 75), spacing, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")

    def ellipsoid(*half):
        return (x / half[0]) ** 2 + (y / half[1]) ** 2 + (z / half[2]) ** 2 < 1

    brain = ellipsoid(60, 75, 55)
    values = np.where(ellipsoid(75, 90, 70), 160.0, 0.0)  # scalp
    values[ellipsoid(69, 84, 64)] = 15  # skull
    values[ellipsoid(63, 78, 58)] = 30  # CSF
    values[brain] = 100  # grey
    values[ellipsoid(54, 69, 49)] = 140  # white
    values[ellipsoid(8, 20, 8)] = 30  # ventricles
    values[(np.abs(x) < 2) & (z > 25) & brain] = 30  # between the hemispheres
    for bridge in ((y + 40) ** 2 + z**2, (y - 40) ** 2 + z**2):  # vessels, 6 mm wide
        values[(bridge < 9) & (x > 50) & (x < 70)] = 140
    values[(x**2 + y**2 < 9) & (z < -50) & (z > -68)] = 140
    draw = np.random.default_rng(seed)
    return np.abs(values + draw.normal(0, 4, values.shape)).astype(np.float32), brain


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (2.0, 2.0, 5.0)], ids=["isotropic", "anisotropic"])
def test_the_brain_of_a_head_is_found(spacing):
    values, brain = phantom(spacing)
    image = MetaTensor(values[None], affine=affine_from(spacing, (0, 0, 0)))
    kept = np.asarray(KeepBrain()(image))[0]
    assert dice(kept > 0, brain) > 0.97
    assert np.array_equal(kept[kept > 0], values[kept > 0])
    assert np.count_nonzero(values) > 0.99 * values.size  # noise was everywhere
    # What bridges brain and scalp is cut by the erosion alone: with too little of it, all of the head is one piece.
    assert dice(KeepBrain(erosion=0).brain_of(values, spacing), brain) < 0.6


def test_a_picture_of_a_head_too():
    values, brain = phantom((1.5, 1.5, 2.0))
    plane = slice(36, 37)
    found = KeepBrain().brain_of(values[:, :, plane], (1.5, 1.5, 1.0))
    assert dice(found, brain[:, :, plane]) > 0.97


def test_a_stripped_image_stays_as_it_is():
    values, brain = phantom((3.0, 3.0, 3.0))
    stripped = np.where(brain, values, 0)[None]
    np.testing.assert_array_equal(KeepBrain()(MetaTensor(stripped, affine=np.diag([3.0, 3, 3, 1]))), stripped)


def test_a_tiny_head_by_hand():
    """A brain of 5 x 5 x 5 with a hole, a bridge, and a scalp that is larger than the brain but thin."""
    values = np.zeros((15, 11, 11), np.float32)
    values[2:7, 3:8, 3:8] = 9
    values[4, 5, 5] = 1  # a ventricle
    values[7:11, 5, 5] = 9  # the bridge
    values[11:13] = 9  # the scalp: 242 voxels
    own = KeepBrain(threshold=5, erosion=1, dilation=1, closing=0)
    expected = np.zeros(values.shape, bool)
    # Eroded by 1 mm the brain has its inner 3 x 3 x 3 without the hole and its 6 neighbours, and the scalp, which is
    # two voxels thick, nothing. What lies within 1 mm of that is all but the 8 corners and 12 edges of 3 voxels.
    expected[2:7, 4:7, 4:7] = expected[3:6, 3:8, 4:7] = expected[3:6, 4:7, 3:8] = True
    kept = own.brain_of(values, (1.0, 1.0, 1.0))
    assert expected.sum() == 81
    np.testing.assert_array_equal(kept, expected)
    # With voxels of 3 mm everything is thicker than 1 mm, nothing is cut, and all of it is one piece.
    assert own.brain_of(values, (3.0, 3.0, 3.0)).all()


def test_another_channels_brain_may_be_kept():
    values, brain = phantom((3.0, 3.0, 3.0))
    two = np.stack([values, np.full_like(values, 7)])
    affine = np.diag([3.0, 3, 3, 1])
    kept = np.asarray(KeepBrain(guide=0, outside=-1)(MetaTensor(two, affine=affine)))
    assert np.array_equal(kept[0] == -1, kept[1] == -1)
    assert dice(kept[1] == 7, brain) > 0.97
    alone = np.asarray(KeepBrain(guide=0, channels=[1])(MetaTensor(two, affine=affine)))
    assert np.array_equal(alone[0], values)
    assert (alone[1] == 0).any()
    with pytest.raises(UsageError, match="guide=2 of an image that has 2 channels"):
        KeepBrain(guide=2)(two)


def test_a_closing_is_in_mm_and_the_images_edge_is_no_gap():
    mask = np.ones((9, 7, 7), bool)
    mask[4, 2:5, 2:5] = False  # 1 voxel wide
    assert closed(mask, 1.0, (1.0, 1.0, 1.0)).all()
    # Where x is 3 mm a voxel, a ball of 1 mm enters it and stays out of its 4 corners alone.
    assert (~closed(mask, 1.0, (3.0, 1.0, 1.0))).sum() == 5
    low = np.zeros((9, 7, 7), bool)
    low[:7] = True  # two voxels from the edge
    assert np.array_equal(closed(low, 3.0, (1.0, 1.0, 1.0)), low)
    assert distances(np.ones((2, 2, 2), bool), (1.0, 1.0, 1.0)).min() == np.inf


def test_a_box_grows_as_far_as_the_image():
    box = (slice(2, 5), slice(8, 9), slice(0, 1))
    assert grown(box, 3, (1.0, 2.0, 5.0), (20, 10, 4)) == (slice(0, 9), slice(6, 10), slice(0, 2))


def test_mistakes_are_told():
    with pytest.raises(UsageError, match=r"erosion=-1.*mm are 0 or more"):
        KeepBrain(erosion=-1)
    with pytest.raises(DataError, match=r"nothing is left of the tissue after erosion=80 mm; lower it"):
        KeepBrain(erosion=80)(phantom((4.0, 4.0, 4.0))[0][None])
