"""The command line, called as people call it."""

import os
import signal
import subprocess
import sys
import types
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from segkit import cli
from segkit.config.commands import TrainConfig
from segkit.config.compose import configure
from segkit.config.typed import typed
from segkit.foundation.errors import CasesFailedError, StoppedError, UsageError
from segkit.foundation.files import write_yaml
from segkit.training.callbacks import StopSignals
from segkit.version import __version__

PROJECT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "monai", "pytorch_lightning")


def call(*words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segkit", *words]
    paths = os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohort").mkdir()
    return tmp_path


@pytest.fixture
def stub(monkeypatch):
    """Put a function in the place of a command."""

    def put(command: str, function: object) -> None:
        module = types.ModuleType(f"segkit.commands.{command}")
        setattr(module, command, function)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(cli, "commands", lambda: ["train", "predict", "convert"])

    return put


CONVERT = ["convert", "input=cohort", "output=out.nii.gz"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train", "data=hipocampus"],
            "error: data=hipocampus: there is no data of that name; did you mean hippocampus?",
        ),
        (["train", "data=hippocampus", "training.budgt=5min"], "error: training.budgt is not a key; did you mean"),
        (
            ["train", "data=hippocampus", "training.budget=soon"],
            "error: training.budget: 'soon' is not a duration: write",
        ),
        (
            ["train", "data=paired", "data.root=.", "training.steps=1", "network.features=[a]"],
            "error: network.features: [a] is not a list of integers",
        ),
        (["train", "data=hippocampus", "network=unett"], "error: network=unett: there is no network of that name; did"),
        (["train", "data=paired", "training.steps=9", "data.root=gone"], "error: data.root: there is no folder /"),
        (["trian"], "error: trian is not a command; did you mean train? commands: check, "),
        (["data=hippocampus"], "error: data=hippocampus: a command comes first; commands: "),
        (["train", "--cofig-dir", "x"], "error: --cofig-dir is not a flag; did you mean --config-dir? flags: "),
        (["train", "--cfg"], "error: --cfg is followed by job: write --cfg job"),
        (["predict", "run=x", "-m"], "error: --multirun works with segkit train only"),
        (["evaluate", "--config=x"], "error: --config works with segkit train and segkit predict only"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, message, tmp_path):
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["train", "data=x"], ["train", "--cfg", "job"]])
def test_nothing_heavy_is_imported_before_a_command_runs(words):
    text = (
        f"import sys; from segkit.cli import main; main({words!r}); print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_index_needs_no_config_library():
    text = (
        "import sys; from segkit.cli import main; main(['--help']); print({'hydra', 'rich', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_the_index_lists_the_commands_that_are_there(words, capsys):
    assert cli.main(words) == 0
    text = capsys.readouterr().out
    assert "usage: segkit COMMAND" in text
    for command in cli.commands():
        assert f"\n  {command}" in text


def test_version_and_help_of_a_command(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"segkit {__version__}\n"
    assert cli.main(["convert", "--help"]) == 0
    assert "example: segkit convert" in capsys.readouterr().out


def test_cfg_job_prints_a_config_that_can_be_read_back(folder, capsys):
    words = ["train", "data=paired", "data.root=DOE^JOHN (1) ü=~&", "training.steps=3"]
    assert cli.main([*words, "--cfg", "job"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert typed(TrainConfig, printed) == configure("train", words[1:])


def test_a_command_gets_its_config(folder, stub):
    seen = []
    stub("convert", seen.append)
    assert cli.main(CONVERT) == 0
    assert (seen[0].input, seen[0].output) == (f"{folder}/cohort", f"{folder}/out.nii.gz")


def test_training_also_gets_what_was_typed(folder, stub):
    seen = {}
    stub("train", lambda config, call: seen.update(config=config, call=call))
    (folder / "mine" / "data").mkdir(parents=True)
    (folder / "mine" / "data" / "own.yaml").write_text("# Mine.\ndefaults: [paired, _self_]\nname: own\n")
    words = ["data=own", "data.root=cohort", "training.steps=3"]
    assert cli.main(["train", *words, "--config-dir", "mine"]) == 0
    assert seen["config"].name == "own"
    assert (seen["call"].overrides, seen["call"].cwd) == (tuple(words), folder)
    assert seen["call"].config_dirs == (folder / "mine",)


def test_a_composed_config_is_trained_again(folder, stub):
    seen = {}
    stub("train", lambda config, call: seen.update(config=config, call=call))
    words = ["data=paired", "data.root=cohort", "training.steps=3"]
    write_yaml(folder / "run" / "config.yaml", asdict(configure("train", words)))
    write_yaml(folder / "run" / "overrides.yaml", words)
    assert cli.main(["train", "--config=run/config.yaml", "output=again"]) == 0
    assert seen["config"].output == f"{folder}/again"
    assert seen["call"].overrides == (*words, "output=again")
    assert cli.main(["train", "--config", "run/gone.yaml"]) == 1
    assert cli.main(["train", "--config", "run/config.yaml", "-m"]) == 2


def test_a_run_goes_on_even_when_its_scans_have_moved(folder, stub):
    seen = []
    stub("train", lambda config, call: seen.append(config))
    words = ["data=paired", "data.root=cohort", "training.steps=3"]
    write_yaml(folder / "run" / "config.yaml", asdict(configure("train", words)))
    (folder / "cohort").rmdir()
    assert cli.main(["train", "resume=run"]) == 0
    assert seen[0].resume == f"{folder}/run"
    assert cli.main(["train", "--config", "run/config.yaml"]) == 2


def raising(error: BaseException):
    def command(*given: object) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (CasesFailedError("2 of 9 cases failed:\n a, b"), 1, "error: 2 of 9 cases failed: a, b"),
        (StoppedError("stopped"), 130, "error: stopped"),
        (KeyboardInterrupt(), 130, "error: stopped by Ctrl-C"),
        (OSError(28, "No space left on device", "/x/y.nii"), 1, "error: /x/y.nii: no space left on device"),
        (OSError(30, "Read-only file system"), 1, "error: read-only file system"),
        (PermissionError(13, "Permission denied", b"/x"), 1, "error: /x: permission denied"),
        (
            ValueError("odd\nvalue"),
            1,
            "error: an unexpected error: ValueError: odd value (debug=true shows the traceback)",
        ),
    ],
)
def test_every_failure_is_one_line(folder, stub, capsys, error, code, line):
    stub("convert", raising(error))
    assert cli.main(CONVERT) == code
    assert capsys.readouterr().err == f"{line}\n"


def test_debug_shows_the_traceback(folder, stub, capsys):
    stub("convert", raising(ValueError("odd")))
    assert cli.main([*CONVERT, "debug=true"]) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.endswith("error: an unexpected error: ValueError: odd\n")


def test_a_trial_training_that_fails_shows_no_traceback(folder, stub, capsys):
    stub("train", raising(UsageError("no labels")))
    assert cli.main(["train", "data=paired", "data.root=.", "debug=fast"]) == 2
    assert capsys.readouterr().err == "error: no labels\n"


def test_sigterm_stops_a_command_as_ctrl_c_does(folder, stub, capsys):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever a library may have put in its place
    before = signal.getsignal(signal.SIGTERM)
    stub("convert", lambda config: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(CONVERT) == 130
    assert capsys.readouterr().err == "error: stopped by SIGTERM\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m segkit train --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "Train a network on one data set.\n"
    assert done.stderr == ""


def test_a_sweep_ends_with_what_failed(folder, capsys):
    words = ["data=paired", "data.root=cohort", "training.steps=3", "output=study"]
    toy = ["launcher._target_=tests.studies.toy_launchers.Toy"]
    assert cli.main(["train", "-m", *words, "seed=1,2", *toy, "+launcher.fail=['seed=2']"]) == 1
    assert capsys.readouterr().err == "error: 1 of 2 trials failed: seed=2\n"
    assert (folder / "study" / "configs" / "seed=1" / "config.yaml").is_file()


def test_odd_names_reach_a_command_through_a_real_process(tmp_path):
    odd = "DOE^JOHN (1) ü=~& a,b [c] ${d}"
    (tmp_path / odd).mkdir()
    done = call("convert", f"input={odd}", f"output={odd}/x.nii.gz", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["input"] == str(tmp_path / odd)


def test_a_stop_is_remembered_where_a_library_swallows_what_the_signal_raises(folder, stub):
    seen = []

    def command(config: object, call: object) -> None:
        with suppress(Exception):  # as around an import that may fail
            signal.raise_signal(signal.SIGTERM)
        seen.append(StopSignals().asked)

    words = ["train", "data=paired", "data.root=cohort", "training.steps=3"]
    stub("train", command)
    assert cli.main(words) == 0
    stub("train", lambda config, call: seen.append(StopSignals().asked))
    assert cli.main(words) == 0
    assert seen == [True, False]
