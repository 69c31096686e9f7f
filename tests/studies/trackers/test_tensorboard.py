"""A study in TensorBoard, read back by TensorBoard's own readers."""

import pytest

from segkit.studies.trackers.tensorboard import FOLDER, TensorboardTracker
from tests.studies.trackers.study_folders import ended_trial

pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'segkit[tensorboard]'")


def read(study, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(study / FOLDER / name))
    events.Reload()
    return events


def test_a_trial_has_its_curves_and_a_row_of_the_hparams_page(tmp_path):
    from tensorboard.plugins.hparams import metadata

    TensorboardTracker().record(tmp_path, ended_trial(tmp_path, "a"))
    events = read(tmp_path, "a")
    assert [(point.step, round(point.value, 3)) for point in events.Scalars("dice")] == [(2, 0.4), (3, 0.625)]
    assert [point.value for point in events.Scalars("loss")] == [1.25, 1.0, 0.75]
    assert events.Scalars("final/dice")[0].value == 0.625
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    assert start.hparams["optimizer.lr"].number_value == 0.001
    assert start.hparams["network"].string_value == "unet"
    assert start.hparams["state"].string_value == "finished"


def test_a_trial_that_goes_on_replaces_what_was_recorded(tmp_path):
    TensorboardTracker().record(tmp_path, ended_trial(tmp_path, "a", dice=0.25))
    TensorboardTracker().record(tmp_path, ended_trial(tmp_path, "a", dice=0.75))
    assert [point.value for point in read(tmp_path, "a").Scalars("final/dice")] == [0.75]
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["a"]
