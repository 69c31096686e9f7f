import pytest
from pytorch_lightning.callbacks import Callback

from segkit.foundation.errors import DataError, MissingExtraError, UsageError
from segkit.foundation.strangers import resolve_target
from segkit.training import loggers
from segkit.training.loggers import RowsFile, build_logger, mlflow_place

MLFLOW = {"_target_": "pytorch_lightning.loggers.MLFlowLogger", "tracking_uri": None}


def test_rows_are_appended_and_cut_back_where_a_training_goes_on(tmp_path):
    logger = build_logger({"_target_": "segkit.training.loggers.RowsFile"}, tmp_path)
    logger.log_metrics({"loss": 1.0, "dice_a": 0.5, "epoch": 0}, step=1)
    assert not (tmp_path / "logged.csv").exists()  # metrics.csv has those
    for step in (1, 2, 3):
        logger.log_metrics({"cpu": step / 2}, step=step)
    resumed = RowsFile(str(tmp_path))
    resumed.log_metrics({"cpu": 9.0}, step=3)
    assert (tmp_path / "logged.csv").read_text() == "step,name,value\n1,cpu,0.5\n2,cpu,1\n3,cpu,9\n"


@pytest.mark.parametrize("package", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_package_is_named_with_its_extra(package, tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    target = next(name for name, needed in loggers.EXTRAS.items() if needed == package)
    with pytest.raises(MissingExtraError, match=rf"logger={package} needs {package}.*segkit\[{package}\]"):
        build_logger({"_target_": f"pytorch_lightning.loggers.{target}"}, tmp_path)


def test_mlflow_writes_into_the_run_unless_a_server_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_place(MLFLOW, tmp_path)["tracking_uri"].endswith(f"{tmp_path}/mlflow.db")
    assert mlflow_place({**MLFLOW, "tracking_uri": "http://server"}, tmp_path) == {}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    assert mlflow_place(MLFLOW, tmp_path) == {}
    assert mlflow_place({"_target_": "segkit.training.loggers.RowsFile"}, tmp_path) == {}


def test_what_is_no_logger_is_refused():
    with pytest.raises(UsageError, match="logger: torch"):
        build_logger({"_target_": "torch.nn.Identity"}, "run")


@pytest.mark.parametrize(
    ("target", "arguments", "error"),
    [
        ("pytorch_lightning.callbacks.ModelCheckpoint", {}, UsageError),  # its package is not allowed
        ("torch.nn.ReLU", {}, DataError),  # another role
        ("segkit.training.metrics_file.MetricsFile", {"path": "/etc/passwd"}, DataError),
    ],
)
def test_a_strangers_callback_is_refused(target, arguments, error):
    with pytest.raises(error):
        resolve_target(target, roles=(Callback,), slot="callbacks.odd", arguments=arguments)
