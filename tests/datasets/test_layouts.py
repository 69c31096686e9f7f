"""What holds for every data set of conf/data."""

import pytest

from segkit.config.compose import configure
from segkit.config.groups import choices, config_sources
from segkit.datasets import Layout
from segkit.datasets.dataset import open_recorded
from segkit.foundation.building import arguments_of, build
from segkit.foundation.errors import SegkitError
from segkit.foundation.strangers import resolve_target

EVERY = choices(config_sources(), "data")


@pytest.fixture(params=EVERY)
def options(request, tmp_path):
    words = [f"data={request.param}", f"data.root={tmp_path}/set", "training.steps=1"]
    return configure("train", words).data


def test_a_run_may_name_the_layout_that_it_was_trained_with(options):
    target, arguments = options.layout["_target_"], arguments_of(options.layout)
    found = resolve_target(target, roles=(Layout,), slot="data.layout", arguments=arguments)
    assert isinstance(build(options.layout), found)


def test_a_data_set_that_is_not_there_is_one_line(options, tmp_path):
    with pytest.raises(SegkitError) as caught:
        open_recorded(options, trust=())
    assert f"{tmp_path}/set" in str(caught.value)
    assert "\n" not in str(caught.value)
