import pytest
from pytorch_lightning.callbacks import DeviceStatsMonitor
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.profilers import SimpleProfiler

from segkit.foundation.errors import UsageError
from segkit.training.lightning_parts import build_callbacks, build_plugins, build_profiler
from segkit.training.waiting import FETCHING, Waiting

STATS = {"_target_": "pytorch_lightning.callbacks.DeviceStatsMonitor", "cpu_stats": True}
CLUSTER = {"_target_": "pytorch_lightning.plugins.environments.LightningEnvironment"}
CHECKPOINTS = {"_target_": "pytorch_lightning.plugins.TorchCheckpointIO"}
SIMPLE = {"_target_": "pytorch_lightning.profilers.SimpleProfiler"}
KEEPING = {"_target_": "pytorch_lightning.callbacks.ModelCheckpoint"}
OTHER = {"_target_": "torch.nn.ReLU"}


def test_parts_are_built_in_order_and_null_leaves_one_out():
    (callback,) = build_callbacks({"stats": STATS, "none": None})
    assert isinstance(callback, DeviceStatsMonitor)
    (plugin,) = build_plugins({"none": None, "cluster": CLUSTER})
    assert isinstance(plugin, LightningEnvironment)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build_callbacks({"odd": OTHER}), r"callbacks\.odd: torch\.nn\.ReLU is not a Lightning callback"),
        (lambda: build_plugins({"odd": STATS}), r"plugins\.odd: .*DeviceStatsMonitor is not a Lightning plugin"),
        (
            lambda: build_plugins({"odd": CHECKPOINTS}),
            r"plugins\.odd: .*TorchCheckpointIO is not a Lightning plugin of p",
        ),
        (lambda: build_profiler(KEEPING, "run"), "profiler: .*ModelCheckpoint is not a Lightning profiler"),
    ],
)
def test_what_is_of_another_kind_is_refused(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_a_profiler_hears_of_all_and_writes_into_the_run_folder(tmp_path):
    assert build_profiler({}, tmp_path) is None
    profiler = build_profiler(SIMPLE, tmp_path)
    assert isinstance(profiler, SimpleProfiler)
    waiting = Waiting(profiler)
    waiting.setup("fit", 0, None)
    for action in ("optimizer_step", f"[loop].{FETCHING}"):
        with waiting.profile(action):
            pass
    waiting.describe()
    waiting.teardown("fit")
    (report,) = tmp_path.iterdir()
    assert "optimizer_step" in report.read_text()
    assert waiting.take() > 0
