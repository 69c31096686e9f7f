import torch
from monai.losses.cldice import soft_skel

from segkit.training.losses.centreline import soft_skeleton


def test_soft_skeletons_are_monais(batch):
    for shape in ((2, 3, 9, 8), (1, 2, 7, 6, 8)):
        probabilities = batch(0, shape)[0].sigmoid()
        assert torch.equal(soft_skeleton(probabilities, 3), soft_skel(probabilities, 3))


def test_a_thick_bar_thins_to_its_middle():
    bar = torch.zeros(1, 1, 7, 11)
    bar[..., 2:5, 1:10] = 1
    skeleton = soft_skeleton(bar, 3)
    assert skeleton[0, 0, 3, 2:9].tolist() == [1] * 7
    assert not skeleton[0, 0, [1, 5]].any()
    assert skeleton[0, 0, 2, 3:8].sum() == 0
