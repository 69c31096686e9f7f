"""Networks of other families, trained for two steps and asked for a mask."""

import pytest
import torch

from segkit.inference.model import load

SMALL = {
    "swin_unetr": ("network.feature_size=12", "network.depths=[1,1,1,1]", "network.num_heads=[1,1,1,1]"),
    "monai_attention_unet": ("network.features=[4,8]",),
    "dynunet": ("network.features=[4,8,8]", "network.deep_supervision=true"),
    "multi_resolution_unet": ("network.features=[4,8]",),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_network_trains_and_predicts(segkit, ball_options, balls, name):
    options = [word for word in ball_options if not word.startswith(("network.", "plan.patch"))]
    words = (*options, f"network={name}", *SMALL[name], "training.steps=2", "training.fold=0", "output=run")
    segkit("train", *words)
    scan = sorted((balls / "images").glob("*.nii.gz"))[0]
    segkit("predict", "run=run", f"input={scan}", "output=masks")
    assert [path.name for path in (segkit.folder / "masks").glob("*.nii.gz")]


def test_a_patch_that_a_network_does_not_take_is_a_mistake_in_the_call(segkit, ball_options):
    options = [word for word in ball_options if not word.startswith(("network.", "plan.patch"))]
    refused = segkit("train", *options, "training.steps=2", "network=swin_unetr", "plan.patch=[32,32,32]", expect=2)
    assert "SwinUNETR takes patches in multiples of 32" in refused.stderr


def test_a_committee_is_trained_packed_and_predicts_as_its_members(segkit, ball_options, balls):
    segkit("train", *ball_options, "training.steps=3", "plan.members=2", "plan.batch=2", "output=run")
    segkit("package", "run=run", "output=two.segkit")
    scan = str(balls / "images" / "ball_6.nii.gz")
    segkit("predict", "run=two.segkit", f"input={scan}", "output=masks", "scores.probabilities=nifti")
    network = load(segkit.folder / "run").networks[0]
    assert len(network.members) == 2
    assert "batch: 4" in (segkit.folder / "run" / "plan.yaml").read_text()
    first, second = ({n: w for n, w in each.state_dict().items() if w.dim() > 1} for each in network.members)
    assert not any(torch.equal(first[name], second[name]) for name in first)
