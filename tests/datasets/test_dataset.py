from dataclasses import replace
from pathlib import Path

import pytest

from segkit.config.compose import configure
from segkit.datasets import Case, Description, Layout
from segkit.datasets.dataset import completed, described, open_dataset, open_recorded
from segkit.foundation.errors import DataError, UsageError


class Told(Layout):
    """A layout whose own files say everything."""

    def cases(self, channels):
        return [Case("a", dict.fromkeys(channels, Path("a.nii")))]

    def describe(self):
        return Description({"T1": "mr", "T2": "mr"}, {"background": 0, "whole": [1, 2], "core": 2}, [1, 2])


class Named(Layout):
    """A third party's layout that gives its cases any names."""

    def __init__(self, names):
        self.names = names

    def cases(self, channels):
        return [Case(name, {}) for name in self.names]


@pytest.fixture
def options(tmp_path):
    return configure("prepare", ["data=paired", f"data.root={tmp_path}"]).data


def test_what_the_layout_says_fills_what_is_not_declared(options):
    asked = replace(options, channels=None, labels=None)
    found = described(asked, Told())
    assert found.channels == {"T1": "mr", "T2": "mr"}
    assert found.region_order == [1, 2]
    typed = described(replace(asked, labels={"background": 0, "all": [1, 2]}), Told())
    assert (typed.labels, typed.region_order) == ({"background": 0, "all": [1, 2]}, None)
    assert completed(options) is options


def test_what_nobody_says_is_asked_for(options):
    with pytest.raises(UsageError, match=r"data\.channels is not set, and the data set does not say"):
        open_dataset(replace(options, channels=None))
    with pytest.raises(UsageError, match=r"data\.labels is not set"):
        open_dataset(replace(options, labels=None))


def test_a_strangers_layout_is_not_built(options):
    with pytest.raises(UsageError, match="os"):
        open_recorded(replace(options, layout={"_target_": "os.system", "command": "true"}), trust=())
    with pytest.raises(DataError, match=r"data\.layout"):
        open_recorded(replace(options, layout={"_target_": "segkit.networks.UNet"}), trust=())


@pytest.mark.parametrize(
    ("names", "message"),
    [([], r"data\.layout: .*Named found no case"), (["a", "b", "a"], r"data\.layout has two cases called a;")],
)
def test_a_layout_finds_cases_and_each_once(names, message, options):
    with pytest.raises(DataError, match=message):
        open_dataset(replace(options, layout={"_target_": f"{__name__}.Named", "names": names}))
