"""Rules of safety: nothing that a stranger sends is executed, and nothing reaches the network unasked."""

import ast
from collections.abc import Iterator

from tests.house_rules.modules import Finding, Module, calls, dotted, says

LOADER = "segkit/foundation/strangers.py"  # the one door for files of others
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
    for call, name, _ in calls(module):
        if name.endswith("read_pickle"):
            yield call.lineno, f"calls {name}: a pickle runs what its sender wrote; use csv, json or safetensors"
        target = call.args[0] if name in {"importlib.import_module", "__import__"} and call.args else None
        if isinstance(target, ast.Constant) and str(target.value).split(".")[0] in PICKLERS:
            yield call.lineno, f"imports {target.value} by name: a pickle runs what its sender wrote"


def no_text_as_code(module: Module) -> Iterator[Finding]:
    for call, name, keywords in calls(module):
        if name in RUNS_TEXT:
            yield call.lineno, f"calls {name}: text is never run as code; use a table of functions or ast.literal_eval"
        if name in SHELLS or ("shell" in keywords and not says(keywords, "shell", value=False)):
            yield call.lineno, f"calls {name} through a shell: pass a list of arguments to subprocess.run"


def guarded_torch_load(module: Module) -> Iterator[Finding]:
    for call, name, keywords in calls(module):
        restores = name.split(".")[-1] == "load_from_checkpoint" or (
            name.split(".")[-1] in READS_CHECKPOINTS and "ckpt_path" in keywords
        )
        if name == "torch.load" and module.name != LOADER:
            yield call.lineno, f"calls torch.load: only {LOADER} does; use its load_checkpoint"
        elif (name == "torch.load" or restores) and not says(keywords, "weights_only", value=True):
            yield call.lineno, f"calls {name} without weights_only=True"


def guarded_array_load(module: Module) -> Iterator[Finding]:
    for call, name, keywords in calls(module):
        if name == "numpy.load" and not says(keywords, "allow_pickle", value=False):
            yield call.lineno, "calls np.load without allow_pickle=False"


def no_pickle_allowed(module: Module) -> Iterator[Finding]:
    for call, name, keywords in calls(module):
        if name != "numpy.load" and "allow_pickle" in keywords and not says(keywords, "allow_pickle", value=False):
            yield call.lineno, f"calls {name} with allow_pickle: an array of objects is a pickle"


def no_foreign_code(module: Module) -> Iterator[Finding]:
    for call, name, _ in calls(module):
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
    for call, name, _ in calls(module):
        if name in NETWORK_MODULES:
            yield call.lineno, f"calls {name}: only {', '.join(ON_REQUEST)} reach the network"


def safe_yaml(module: Module) -> Iterator[Finding]:
    for call, name, keywords in calls(module):
        loader = keywords.get("Loader") or (call.args[1] if len(call.args) > 1 else None)
        chosen = loader.func if isinstance(loader, ast.Call) else loader  # `Loader=safe_loader(text)` picks one
        is_safe = chosen is not None and dotted(chosen, module).endswith(("SafeLoader", "safe_loader"))
        if name in UNSAFE_YAML or (name in YAML_LOADERS and not is_safe):
            yield (
                call.lineno,
                f"calls {name}: use yaml.safe_load, or a Loader whose name ends in SafeLoader or safe_loader",
            )


def no_bulk_extraction(module: Module) -> Iterator[Finding]:
    opens_archives = {origin.split(".")[0] for origin in module.origins.values()} & {"tarfile", "zipfile"}
    for call, name, _ in calls(module):
        method = name.split(".")[-1]
        if method in {"extractall", "unpack_archive"} or (method == "extract" and opens_archives):
            yield call.lineno, f"calls {method}: members may leave their folder; check each name, then copy its stream"


RULES = [
    no_pickles,
    no_text_as_code,
    guarded_torch_load,
    guarded_array_load,
    no_pickle_allowed,
    no_foreign_code,
    quiet_network,
    safe_yaml,
    no_bulk_extraction,
]
