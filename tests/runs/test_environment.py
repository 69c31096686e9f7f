import getpass
import json
import platform

from segkit.runs.environment import environment, installed
from segkit.version import __version__


def test_versions_and_hardware_are_recorded(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "123")
    found = environment()
    assert found["segkit"] == __version__
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == installed("torch")
    assert found["cores"] >= 1
    assert found["job"]["SLURM_JOB_ID"] == "123"


def test_nobody_and_no_machine_is_named():
    text = json.dumps(environment())
    assert f'"{platform.node()}"' not in text
    assert f'"{getpass.getuser()}"' not in text


def test_a_package_that_is_missing_has_no_version():
    assert installed("no-such-package-of-segkit") is None
