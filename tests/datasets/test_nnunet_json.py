import numpy as np
import pytest

from segkit.config.channels import channels_from
from segkit.config.labels import labels_from
from segkit.datasets.nnunet_json import channel_words, described, numbering
from segkit.foundation.errors import UsageError


def renumbered(labels, values):
    """Number values as a converted reference would hold them."""
    return numbering(labels).values[[labels.stored[value] for value in values]].tolist()


def test_labels_become_consecutive_with_the_ignored_one_highest():
    labels = labels_from({"membrane": 0, "cell": 255, "vessel": [7, 9], "ignore": 3})
    assert numbering(labels).labels == {"background": 0, "cell": 1, "vessel": 2, "ignore": 3}
    assert numbering(labels).region_order is None
    assert renumbered(labels, [0, 255, 7, 9, 3]) == [0, 1, 2, 2, 3]


def test_regions_keep_their_values_and_order():
    labels = labels_from({"background": 0, "whole": [1, 2, 4], "core": [1, 4], "enhancing": 4, "ignore": 9}, [2, 1, 4])
    found = numbering(labels)
    values = dict(zip((1, 2, 4), renumbered(labels, (1, 2, 4)), strict=True))
    assert sorted(values.values()) == [1, 2, 3]
    assert found.labels == {
        "background": 0,
        "whole": [1, 2, 3],
        "core": sorted([values[1], values[4]]),
        "enhancing": values[4],
        "ignore": 4,
    }
    assert found.region_order == [values[2], values[1], values[4]]


def test_a_background_of_several_values_is_zero():
    labels = labels_from({"background": [0, 5], "whole": [1, 2], "core": 2}, [1, 2])
    assert renumbered(labels, [0, 5, 1, 2]) == [0, 0, 1, 2]
    assert numbering(labels).labels["whole"] == [1, 2]
    with pytest.raises(UsageError, match="core, which has a value of the background too"):
        numbering(labels_from({"background": [0, 5], "whole": [1, 2], "core": [2, 5]}, [1, 2]))


def test_as_many_labels_as_bytes_can_hold():
    labels = labels_from({"background": 0, **{f"l{value}": value * 3 for value in range(1, 255)}})
    assert renumbered(labels, [0, 3, 254 * 3]) == [0, 1, 254]
    assert np.unique(numbering(labels).values).size == 256


def test_channels_are_called_so_that_nnunet_normalises_them_alike():
    channels = channels_from({"venous": "ct", "T1": "mr", "ct": "mr", "dose": "none", "photo": "rgb", "PET": "pet"})
    assert channel_words(channels) == ["CT", "T1", "zscore", "noNorm", *["rgb_to_0_1"] * 3, "PET"]


def test_the_description_has_every_key_that_nnunet_asks_for():
    labels = labels_from({"background": 0, "whole": [1, 2], "core": 2}, [1, 2])
    assert described("x", channels_from({"T1": "mr"}), numbering(labels), 3) == {
        "name": "x",
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "whole": [1, 2], "core": 2},
        "regions_class_order": [1, 2],
        "numTraining": 3,
        "file_ending": ".nii.gz",
    }
