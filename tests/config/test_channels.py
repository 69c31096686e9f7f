import pytest

from segkit.config.channels import Channel, channels_from, total_width
from segkit.foundation.errors import UsageError


def test_channels_in_both_forms():
    channels = channels_from({"T1": "mr", "T2": {"family": "mr", "onto": "T1"}, "photo": "rgb"})
    assert channels == {"T1": Channel("mr"), "T2": Channel("mr", "T1"), "photo": Channel("rgb")}
    assert total_width(channels) == 5


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({}, "is empty"),
        ({"MR": "mri"}, "MR: mri is not one of ct, mr, .*did you mean mr"),
        ({"MR": {"famly": "mr"}}, "famly is not one of family, onto.*did you mean family"),
        ({"MR": "mr", "CT": {"family": "ct", "onto": "PET"}}, "CT.onto: PET is not a channel"),
        ({"MR": {"family": "mr", "onto": "CT"}, "CT": "ct"}, "first channel gives the grid"),
        ({"A": "mr", "B": {"family": "mr", "onto": "A"}, "C": {"family": "mr", "onto": "B"}}, "C.onto: B is not"),
    ],
)
def test_channels_that_make_no_sense_are_refused(declared, message):
    with pytest.raises(UsageError, match=message):
        channels_from(declared)
