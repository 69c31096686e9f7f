"""What holds in every file of the package: nothing a stranger sends is executed, and code stays readable.

Each rule is a function from a parsed module to `(line, what is wrong and what to do)`, tried on small examples below.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house_rules import readability, safety
from tests.house_rules.modules import Finding, Module, parse
from tests.house_rules.readability import (
    LONGEST_FILE,
    LONGEST_FUNCTION,
    documented,
    short_files,
    short_functions,
    telling_names,
)
from tests.house_rules.safety import (
    LOADER,
    guarded_array_load,
    guarded_torch_load,
    no_bulk_extraction,
    no_foreign_code,
    no_pickle_allowed,
    no_pickles,
    no_text_as_code,
    quiet_network,
    safe_yaml,
)

PACKAGE = Path(__file__).resolve().parent.parent / "segkit"
Rule = Callable[[Module], Iterator[Finding]]
RULES: list[Rule] = [*safety.RULES, *readability.RULES]


@pytest.fixture(scope="module")
def package() -> list[Module]:
    return [
        parse(path.read_text(encoding="utf-8"), path.relative_to(PACKAGE.parent).as_posix())
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Rule, package: list[Module]):
    assert package
    findings = [f"{module.name}:{line}: {message}" for module in package for line, message in rule(module)]
    if findings:
        pytest.fail("\n".join(findings), pytrace=False)


BROKEN = [
    (no_pickles, "import pickle"),
    (no_pickles, "def late():\n    from joblib import load"),
    (no_pickles, "import importlib\nimportlib.import_module('dill')"),
    (no_pickles, "import pandas as pd\npd.read_pickle('x')"),
    (no_text_as_code, "eval('1')"),
    (no_text_as_code, "import builtins as b\nb.exec('1')"),
    (no_text_as_code, "import subprocess\nsubprocess.run('ls', shell=True)"),
    (no_text_as_code, "import subprocess\nsubprocess.run('ls', shell=wanted)"),
    (no_text_as_code, "from os import system\nsystem('ls')"),
    (guarded_torch_load, "import torch\ntorch.load('x', weights_only=True)"),
    (guarded_torch_load, "from torch import load as fetch\nfetch('x')"),
    (guarded_torch_load, "Net.load_from_checkpoint('x', weights_only=False)"),
    (guarded_torch_load, "trainer.fit(net, ckpt_path=last)"),
    (guarded_array_load, "import numpy as np\nnp.load('x')"),
    (guarded_array_load, "from numpy import load\nload('x', allow_pickle=True)"),
    (no_pickle_allowed, "import numpy as np\nnp.lib.format.read_array(file, allow_pickle=True)"),
    (no_pickle_allowed, "import numpy as np\nnp.save('x', array, allow_pickle=wanted)"),
    (no_foreign_code, "import torch\ntorch.hub.load('a/b', 'net')"),
    (no_foreign_code, "from torch import jit\njit.load('x')"),
    (no_foreign_code, "from hydra.utils import instantiate as make\nmake(config)"),
    (no_foreign_code, "import runpy\nrunpy.run_path('x')"),
    (no_foreign_code, "import tempfile\ntempfile.mktemp()"),
    (quiet_network, "import requests"),
    (quiet_network, "def late():\n    from http.client import HTTPConnection"),
    (quiet_network, "from urllib.request import urlopen\nurlopen('http://x')"),
    (quiet_network, "import socket\nsocket.socket()"),
    (safe_yaml, "import yaml\nyaml.load(text)"),
    (safe_yaml, "import yaml\nyaml.load(text, Loader=yaml.FullLoader)"),
    (safe_yaml, "from yaml import unsafe_load\nunsafe_load(text)"),
    (no_bulk_extraction, "import tarfile\ntarfile.open('x').extractall()"),
    (no_bulk_extraction, "import zipfile\nzipfile.ZipFile('x').extract('y')"),
    (no_bulk_extraction, "import shutil\nshutil.unpack_archive('x')"),
    (short_files, "x = 1\n" * (LONGEST_FILE + 1)),
    (short_functions, "def long():\n" + "    x = 1\n" * (LONGEST_FUNCTION + 1)),
    (documented, "def bare():\n    return 1"),
    (documented, "class Known:\n    '''Said.'''\n    def bare(self):\n        return 1"),
]
SOUND = [
    (no_pickles, "import json\nimport picklestand"),
    (no_text_as_code, "import subprocess\nnetwork.eval()\nsubprocess.run(['ls'], shell=False)"),
    (guarded_torch_load, "import json\njson.load(file)\ntrainer.fit(net, ckpt_path=last, weights_only=True)"),
    (guarded_array_load, "import numpy as np\nnp.load('x', mmap_mode='r', allow_pickle=False)"),
    (no_pickle_allowed, "import numpy as np\nnp.save('x', array, allow_pickle=False)"),
    (no_foreign_code, "import torch\nfrom hydra.utils import get_class\ntorch.jit.trace(net, x)\nget_class(path)()"),
    (quiet_network, "import socket\nfrom urllib.parse import quote\nsocket.gethostname()"),
    (safe_yaml, "import yaml\nyaml.safe_load(text)\nyaml.load(text, Loader=yaml.CSafeLoader)"),
    (safe_yaml, "import yaml\nyaml.load(text, Loader=safe_loader(text))"),
    (no_bulk_extraction, "table.extract('liver')"),
    (short_files, "x = 1\n" * LONGEST_FILE),
    (short_functions, "def f():\n    '''" + "said\n" * 90 + "'''\n" + "    x = 1\n" * LONGEST_FUNCTION),
    (documented, "def _own():\n    return 1\nclass _Own:\n    def any(self):\n        return 1"),
]


def _examples(cases: list[tuple[Rule, str]]) -> list:
    return [pytest.param(*case, id=f"{case[0].__name__}-{number}") for number, case in enumerate(cases)]


@pytest.mark.parametrize(("rule", "text"), _examples(BROKEN))
def test_a_rule_finds_what_breaks_it(rule: Rule, text: str):
    assert len(list(rule(parse(text)))) == 1


@pytest.mark.parametrize(("rule", "text"), _examples(SOUND))
def test_a_rule_leaves_sound_code_alone(rule: Rule, text: str):
    assert not list(rule(parse(text)))


def test_torch_load_has_one_door_with_one_lock():
    locked, open_door = "import torch\ntorch.load('x', weights_only=True)", "import torch\ntorch.load('x')"
    assert not list(guarded_torch_load(parse(locked, LOADER)))
    assert list(guarded_torch_load(parse(open_door, LOADER)))


def test_the_network_has_its_doors():
    assert not list(quiet_network(parse("import requests", "segkit/volumes/pacs/connection.py")))


@pytest.mark.parametrize("name", ["segkit/utils.py", "segkit/volumes/_helpers.py", "segkit/data/__init__.py"])
def test_vague_module_names_are_found(name: str):
    assert list(telling_names(parse("", name)))
