from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
import zarr
from monai.transforms import Resize
from streams import Stored, random_logits, stream_of, work_for

from segkit.config.labels import labels_from
from segkit.config.options import ScoreOptions
from segkit.foundation.errors import UsageError
from segkit.inference.case_scores import check_scores, segmented_with_scores
from segkit.inference.restoring import labels_on_scan
from segkit.inference.score_files import write_scores
from segkit.preparation.grids import respaced
from segkit.volumes.grid import Grid, affine_from
from segkit.volumes.volume import Volume

SCAN = Grid((20, 24, 10), affine_from((0.8, 0.8, 3.0), (-5, 7, 11)))
LABELS = labels_from({"background": 0, "a": 1, "b/c": 2})
GRID = respaced(SCAN, (1.3, 1.3, 2.0))
VOLUME = Volume(np.zeros((1, *SCAN.shape), np.int16), SCAN)


def options(probabilities=None, maps=(), expected=False):
    return ScoreOptions(probabilities=probabilities, maps=list(maps), expected_dice=expected, passes=0, flagged=0.1)


def scored(folder, wanted, pieces=1, seeds=(0,)):
    logits = [random_logits(GRID.shape, seed=seed) for seed in seeds]
    streams = [stream_of(Stored(), each, grid=GRID, classes=3) for each in logits]
    work = replace(work_for(streams[0], SCAN), axis=2, pieces=pieces)
    together = [list(range(len(seeds)))]
    places, scores = segmented_with_scores(streams, SCAN, LABELS, work, together, wanted, folder)
    resampled = [torch.as_tensor(Resize(SCAN.shape, mode="trilinear", align_corners=False)(each)) for each in logits]
    return places, scores, resampled, (streams, work)


@pytest.mark.parametrize("pieces", [1, 3])
def test_probabilities_on_the_scans_grid_are_those_of_monais_resampling(tmp_path, pieces):
    places, scores, logits, (streams, work) = scored(tmp_path, options("nifti", ["entropy"]), pieces)
    files = write_scores(scores, VOLUME, "nifti", tmp_path, "x")
    assert files == {
        "probability of a": "probabilities/x_a.nii.gz",
        "probability of b/c": "probabilities/x_b_c.nii.gz",
        "entropy": "entropy/x.nii.gz",
    }
    expected = logits[0].softmax(0).numpy()
    for index, name in ((1, "probability of a"), (2, "probability of b/c")):
        image = nib.load(tmp_path / files[name])
        assert np.array_equal(image.affine, SCAN.affine.astype(np.float32))
        assert image.header.get_data_dtype() == np.uint16
        assert np.abs(image.get_fdata() - expected[index]).max() < 1e-4
    undecided = -(expected * np.log(expected)).sum(0) / np.log(3)
    assert np.abs(nib.load(tmp_path / files["entropy"]).get_fdata() - undecided).max() < 1e-4
    assert np.array_equal(places, labels_on_scan(streams[0], SCAN, LABELS, work))


def test_zarr_holds_them_in_chunks(tmp_path):
    _, scores, logits, _ = scored(tmp_path, options("zarr"), pieces=2)
    files = write_scores(scores, VOLUME, "zarr", tmp_path, "x")
    array = zarr.open_array(tmp_path / files["probabilities"], mode="r")
    assert (array.dtype, array.shape, array.attrs["labels"]) == (np.float16, (2, *SCAN.shape), ["a", "b/c"])
    assert np.allclose(array.attrs["affine_ras_mm"], SCAN.affine)
    assert np.abs(array[:] - logits[0].softmax(0).numpy()[1:]).max() < 1e-3


def test_a_label_may_be_called_like_a_map(tmp_path):
    stream = stream_of(Stored(), random_logits(GRID.shape), grid=GRID, classes=3)
    work = replace(work_for(stream, SCAN), axis=2)
    labels = labels_from({"background": 0, "entropy": 1, "b": 2})
    _, scores = segmented_with_scores([stream], SCAN, labels, work, [[0]], options("nifti", ["entropy"]), tmp_path)
    files = write_scores(scores, VOLUME, "nifti", tmp_path, "x")
    assert files == {
        "probability of entropy": "probabilities/x_entropy.nii.gz",
        "probability of b": "probabilities/x_b.nii.gz",
        "entropy": "entropy/x.nii.gz",
    }
    scores.close()
    with pytest.raises(ValueError, match="closed"):
        scores.scratch.planes(0, 0, 1)


def test_networks_of_one_plan_average_their_logits_whether_they_are_looked_at_alone_or_not(tmp_path):
    wanted = options("nifti", ["disagreement"])
    places, scores, logits, (streams, work) = scored(tmp_path, wanted, seeds=(0, 1))
    mean = (logits[0] + logits[1]) / 2
    files = write_scores(scores, VOLUME, "nifti", tmp_path, "x")
    found = nib.load(tmp_path / files["probability of a"]).get_fdata()
    assert np.abs(found - mean.softmax(0)[1].numpy()).max() < 1e-4
    both = replace(streams[0], image=(streams[0].image + streams[1].image) / 2)
    assert (places == labels_on_scan(both, SCAN, LABELS, work)).mean() > 0.999
    own = [each.softmax(0).numpy() for each in logits]
    entropies = [-(each * np.log(each)).sum(0) for each in (sum(own) / 2, *own)]
    expected = (entropies[0] - (entropies[1] + entropies[2]) / 2) / np.log(3)
    assert np.abs(nib.load(tmp_path / files["disagreement"]).get_fdata() - expected).max() < 1e-4


def test_the_dice_to_expect_is_that_of_the_whole(tmp_path):
    places, scores, logits, _ = scored(tmp_path, options(expected=True), pieces=3)
    probability = logits[0].softmax(0)[1].numpy().astype(np.float64)
    mask = places == 1
    expected = 2 * probability[mask].sum() / (probability.sum() + mask.sum())
    assert scores.expected_dice["a"] == pytest.approx(expected, abs=1e-4)
    assert scores.scratch is None
    assert write_scores(scores, VOLUME, None, tmp_path, "x") == {}


def test_nothing_is_left_on_the_disk_that_has_no_name(tmp_path):
    _, scores, _, _ = scored(tmp_path, options("nifti"))
    assert list(tmp_path.iterdir()) == []
    scores.close()


def test_what_cannot_be_had_is_refused():
    with pytest.raises(UsageError, match="entropie is no map; there are entropy and disagreement"):
        check_scores(options(maps=["entropie"]), 2)
    with pytest.raises(UsageError, match="between models"):
        check_scores(options(maps=["disagreement"]), 1)
    check_scores(options("zarr", ["disagreement"]), 2)
