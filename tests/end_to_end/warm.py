"""A command line whose commands start warm: most of what they take is the import of torch."""

import json
import os
import subprocess
import sys
from functools import cache

from tests.end_to_end.conftest import CommandLine

# Torch is imported once; each command runs in a fork of that process, with its own folder, output and exit code.
SERVER = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import importlib, torch, monai.transforms, pytorch_lightning, highdicom, nibabel, pydicom.pixels.utils
from segkit.config.commands import CONFIGS
for command in CONFIGS:
    importlib.import_module(f"segkit.commands.{command}")
warnings.resetwarnings()
from segkit.cli import main
for line in sys.stdin:
    call = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(call["folder"])
        os.environ |= {"SEGKIT_CACHE": call["cache"], **call["environment"]}
        for number, name in enumerate((os.devnull, call["out"], call["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        code = main(call["words"])
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    os.write(1, f"{os.waitstatus_to_exitcode(status)}\\n".encode())
"""


@cache
def server():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-c", SERVER], text=True, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


class WarmLine(CommandLine):
    """A command line whose commands start from a process that has imported torch."""

    def __call__(self, *words, expect=0, environment=None):
        said = [self.folder.parent / f"{self.folder.name}.{name}" for name in ("out", "err")]
        call = {"folder": str(self.folder), "cache": str(self.folder / "cache"), "words": words,
                "out": str(said[0]), "err": str(said[1]), "environment": environment or {}}  # fmt: skip
        process = server()
        process.stdin.write(json.dumps(call) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        out, err = (path.read_text() for path in said)
        codes = expect if isinstance(expect, tuple) else (expect,)
        assert code in codes, f"exit {code}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, code, out, err)
