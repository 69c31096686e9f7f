"""Scribbles: all but some strokes is ignored, and what is learnt fits the voxels that nobody drew."""

from types import SimpleNamespace

import numpy as np
import torch

from segkit.config.labels import IGNORED
from segkit.training.sampling import PatchDataset
from tests.training.test_module import segmentation

STEPS, SEEN = 80, 0.1


def scribbled(case):
    """A prepared case of whose reference a stroke here and there is left."""
    draw = np.random.default_rng(len(case.name))
    strokes = np.full_like(case.reference, IGNORED)
    rows = draw.random(case.reference.shape[:2]) < SEEN
    strokes[rows] = case.reference[rows]
    positions = [places[strokes[tuple(places.T)] != IGNORED] for places in map(np.asarray, case.positions)]
    return SimpleNamespace(name=case.name, image=case.image, reference=strokes, positions=positions)


def test_strokes_teach_what_whole_references_hold(balls):
    cases, plan, prepared = balls
    module = segmentation(plan, cases)
    patches = PatchDataset([scribbled(case) for case in prepared[:3]], plan.patch, seed=0, foreground=0.5)
    optimizer = torch.optim.AdamW(module.network.parameters(), 0.01)
    for step in range(STEPS):
        samples = [patches[(step, index)] for index in range(plan.batch)]
        images = torch.stack([torch.from_numpy(sample["image"]).float() for sample in samples])
        target = torch.stack([torch.from_numpy(sample["reference"]).long() for sample in samples])
        assert (target != IGNORED).float().mean() < 2 * SEEN
        optimizer.zero_grad()
        module.loss_of(module.network(images), target).backward()
        optimizer.step()
    case = prepared[3]  # one that was not even scribbled on
    whole = PatchDataset([case], plan.patch, seed=0, foreground=1.0)[(0, 0)]
    with torch.no_grad():
        found = module.eval()(torch.from_numpy(whole["image"]).float()[None])[0].argmax(0).numpy() > 0
    inside = whole["reference"] > 0
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.8
