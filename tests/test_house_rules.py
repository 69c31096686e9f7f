"""What holds in every file of the package: nothing a stranger sends is executed, and code stays readable.

Each rule is a function from a parsed module to `(line, what is wrong and what to do)`, tried on small examples below.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "segkit"
LOADER = "segkit/foundation/strangers.py"  # the one door for files of others
LONGEST_FILE, LONGEST_FUNCTION = 320, 45
VAGUE_NAMES = {"data", "item", "items", "info", "util", "utils", "helper", "helpers", "manager", "managers"}
PICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
RUNS_TEXT = {"eval", "exec", "builtins.eval", "builtins.exec"}
YAML_LOADERS = {"yaml.load", "yaml.load_all"}
UNSAFE_YAML = {"yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load", "yaml.unsafe_load_all"}
# Calls that run what they fetch or read; Hydra's own instantiation follows a `_target_` at any depth.
FOREIGN_CODE = {
    *(
        "torch.jit.load",
        "torch.package.PackageImporter",
        "torch.ops.load_library",
        "runpy.run_path",
        "runpy.run_module",
    ),
    *("hydra.utils.instantiate", "hydra.utils.call", "importlib.util.spec_from_file_location", "code.interact"),
    *("ctypes.cdll.LoadLibrary", "numpy.ctypeslib.load_library", "os.execv", "os.execvp", "os.spawnv", "pty.spawn"),
}
NETWORK = {"requests", "urllib3", "httpx", "aiohttp", "ftplib", "smtplib", "http", "telnetlib", "xmlrpc", "pynetdicom"}
NETWORK_MODULES = {"socket.socket", "socket.create_connection", "urllib.request.urlopen", "urllib.request.urlretrieve"}
ON_REQUEST = (
    "segkit/volumes/pacs/",
    "segkit/datasets/decathlon_download.py",
    "segkit/reports/serving.py",
)  # what asks the network, when asked to
READS_CHECKPOINTS = {"fit", "validate", "test", "predict"}  # of Lightning's Trainer, when handed `ckpt_path`

Finding = tuple[int, str]
AnyFunction = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """A parsed source file; `name` is its path from the project root, `origins` what each imported name stands for."""

    name: str
    text: str
    tree: ast.Module
    origins: dict[str, str]


def parse(text: str, name: str = "segkit/volumes/example.py") -> Module:
    tree = ast.parse(text, name)
    return Module(name, text, tree, dict(_imported_names(tree)))


def _imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _dotted(node: ast.expr, module: Module) -> str:
    """Name an expression in full, whatever aliases it was imported under: `np.load` is `numpy.load`."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, module)}.{node.attr}"
    return module.origins.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def _calls(module: Module) -> Iterator[tuple[ast.Call, str, dict[str, ast.expr]]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield node, _dotted(node.func, module), {word.arg: word.value for word in node.keywords if word.arg}


def _says(keywords: dict[str, ast.expr], name: str, value: bool) -> bool:
    given = keywords.get(name)
    return isinstance(given, ast.Constant) and given.value is value


def no_pickles(module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            sources = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            sources = [node.module or ""]
        else:
            continue
        for source in sources:
            if source.split(".")[0] in PICKLERS:
                yield (
                    node.lineno,
                    f"imports {source}: a pickle runs what its sender wrote; use safetensors, json or yaml",
                )
    for call, name, _ in _calls(module):
        if name.endswith("read_pickle"):
            yield call.lineno, f"calls {name}: a pickle runs what its sender wrote; use csv, json or safetensors"
        target = call.args[0] if name in {"importlib.import_module", "__import__"} and call.args else None
        if isinstance(target, ast.Constant) and str(target.value).split(".")[0] in PICKLERS:
            yield call.lineno, f"imports {target.value} by name: a pickle runs what its sender wrote"


def no_text_as_code(module: Module) -> Iterator[Finding]:
    for call, name, keywords in _calls(module):
        if name in RUNS_TEXT:
            yield call.lineno, f"calls {name}: text is never run as code; use a table of functions or ast.literal_eval"
        if name in SHELLS or ("shell" in keywords and not _says(keywords, "shell", value=False)):
            yield call.lineno, f"calls {name} through a shell: pass a list of arguments to subprocess.run"


def guarded_torch_load(module: Module) -> Iterator[Finding]:
    for call, name, keywords in _calls(module):
        restores = name.split(".")[-1] == "load_from_checkpoint" or (
            name.split(".")[-1] in READS_CHECKPOINTS and "ckpt_path" in keywords
        )
        if name == "torch.load" and module.name != LOADER:
            yield call.lineno, f"calls torch.load: only {LOADER} does; use its load_checkpoint"
        elif (name == "torch.load" or restores) and not _says(keywords, "weights_only", value=True):
            yield call.lineno, f"calls {name} without weights_only=True"


def guarded_array_load(module: Module) -> Iterator[Finding]:
    for call, name, keywords in _calls(module):
        if name == "numpy.load" and not _says(keywords, "allow_pickle", value=False):
            yield call.lineno, "calls np.load without allow_pickle=False"


def no_pickle_allowed(module: Module) -> Iterator[Finding]:
    for call, name, keywords in _calls(module):
        if name != "numpy.load" and "allow_pickle" in keywords and not _says(keywords, "allow_pickle", value=False):
            yield call.lineno, f"calls {name} with allow_pickle: an array of objects is a pickle"


def no_foreign_code(module: Module) -> Iterator[Finding]:
    for call, name, _ in _calls(module):
        if name in FOREIGN_CODE or name.startswith("torch.hub."):
            yield (
                call.lineno,
                f"calls {name}: it runs what a file or the network brings; build by strangers.resolve_target",
            )
        if name == "tempfile.mktemp":
            yield call.lineno, "calls tempfile.mktemp: another process may take the name first; use foundation.files"


def quiet_network(module: Module) -> Iterator[Finding]:
    if module.name.startswith(ON_REQUEST):
        return
    for node in ast.walk(module.tree):
        sources = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        sources += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for source in sources:
            if source.split(".")[0] in NETWORK:
                yield node.lineno, f"imports {source}: only {', '.join(ON_REQUEST)} reach the network"
    for call, name, _ in _calls(module):
        if name in NETWORK_MODULES:
            yield call.lineno, f"calls {name}: only {', '.join(ON_REQUEST)} reach the network"


def safe_yaml(module: Module) -> Iterator[Finding]:
    for call, name, keywords in _calls(module):
        loader = keywords.get("Loader") or (call.args[1] if len(call.args) > 1 else None)
        chosen = loader.func if isinstance(loader, ast.Call) else loader  # `Loader=safe_loader(text)` picks one
        is_safe = chosen is not None and _dotted(chosen, module).endswith(("SafeLoader", "safe_loader"))
        if name in UNSAFE_YAML or (name in YAML_LOADERS and not is_safe):
            yield (
                call.lineno,
                f"calls {name}: use yaml.safe_load, or a Loader whose name ends in SafeLoader or safe_loader",
            )


def no_bulk_extraction(module: Module) -> Iterator[Finding]:
    opens_archives = {origin.split(".")[0] for origin in module.origins.values()} & {"tarfile", "zipfile"}
    for call, name, _ in _calls(module):
        method = name.split(".")[-1]
        if method in {"extractall", "unpack_archive"} or (method == "extract" and opens_archives):
            yield call.lineno, f"calls {method}: members may leave their folder; check each name, then copy its stream"


def short_files(module: Module) -> Iterator[Finding]:
    lines = len(module.text.splitlines())
    if lines > LONGEST_FILE:
        yield lines, f"has {lines} lines, more than {LONGEST_FILE}: split it by what its parts are about"


def short_functions(module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, AnyFunction):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {length} lines of body, more than {LONGEST_FUNCTION}"


def documented(module: Module) -> Iterator[Finding]:
    for node, owner in _public_definitions(module.tree, ""):
        decorators = {_dotted(each, module).split(".")[-1] for each in node.decorator_list}
        if not decorators & {"overload", "override", "setter"} and not ast.get_docstring(node):
            yield node.lineno, f"{owner}{node.name} is public and has no docstring"


def _public_definitions(
    parent: ast.Module | ast.ClassDef, owner: str
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, str]]:
    for node in parent.body:
        if isinstance(node, (*AnyFunction, ast.ClassDef)) and not node.name.startswith("_"):
            yield node, owner
            if isinstance(node, ast.ClassDef):
                yield from _public_definitions(node, f"{owner}{node.name}.")


def telling_names(module: Module) -> Iterator[Finding]:
    path = Path(module.name)
    for part in (*path.parent.parts, path.stem):
        if part.strip("_").lower() in VAGUE_NAMES:
            yield 1, f"'{part}' does not say what is inside: name it after what it is about"


RULES: list[Callable[[Module], Iterator[Finding]]] = [
    no_pickles,
    no_text_as_code,
    guarded_torch_load,
    guarded_array_load,
    no_pickle_allowed,
    no_foreign_code,
    quiet_network,
    safe_yaml,
    no_bulk_extraction,
    short_files,
    short_functions,
    documented,
    telling_names,
]


@pytest.fixture(scope="module")
def package() -> list[Module]:
    return [
        parse(path.read_text(encoding="utf-8"), path.relative_to(PACKAGE.parent).as_posix())
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps(rule: Callable[[Module], Iterator[Finding]], package: list[Module]):
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


def _examples(cases: list[tuple[Callable[[Module], Iterator[Finding]], str]]) -> list:
    return [pytest.param(*case, id=f"{case[0].__name__}-{number}") for number, case in enumerate(cases)]


@pytest.mark.parametrize(("rule", "text"), _examples(BROKEN))
def test_a_rule_finds_what_breaks_it(rule: Callable[[Module], Iterator[Finding]], text: str):
    assert len(list(rule(parse(text)))) == 1


@pytest.mark.parametrize(("rule", "text"), _examples(SOUND))
def test_a_rule_leaves_sound_code_alone(rule: Callable[[Module], Iterator[Finding]], text: str):
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
