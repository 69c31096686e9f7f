"""Configs that were composed before: a run that goes on, a trial of a sweep, a run to repeat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segkit.config.checks import check_config
from segkit.config.groups import config_sources
from segkit.config.overrides import Overrides, read_overrides, schema_of
from segkit.config.targets import check_own_targets
from segkit.config.typed import shown, typed
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.strangers import load_yaml
from segkit.foundation.suggestions import listed

CONFIG_FILE = "config.yaml"
OVERRIDES_FILE = "overrides.yaml"
# What may differ between the two halves of a run without changing its weights.
RESUMABLE = ("resume", "trust", "workers", "training.workers", "training.stalled_after", "device", "debug")


def load_config(
    command: str, path: str | Path, overrides: Sequence[str] = (), *, config_dirs: Iterable[str | Path] = ()
) -> Any:
    """Read a composed config, such as a run's `config.yaml`, as the typed config of a command.

    Nothing in the file is resolved or imported: its interpolations were resolved when it was written.

    Args:
        command: whose schema the file follows.
        path: the yaml.
        overrides: `key=value` words on top; groups were chosen when the file was composed.
        config_dirs: the user's conf folders, which name the groups.

    Returns:
        The command's dataclass of `segkit.config.commands`.

    Raises:
        DataError: when the file cannot be read.
        UsageError: when a key, a value or a target in it does not fit.
    """
    return _configured(command, path, read_overrides(command, overrides, config_sources(config_dirs)))


def recorded_overrides(path: str | Path) -> tuple[str, ...]:
    """Return the words from which a config was composed, when they are recorded beside it.

    Raises:
        DataError: when the record cannot be read.
    """
    # Of a config that somebody composed elsewhere, or copied alone, nobody knows the words.
    record = Path(path).with_name(OVERRIDES_FILE)
    words = load_yaml(record) if record.is_file() else []
    return tuple(map(str, words)) if isinstance(words, list) else ()


def configure_resumed(command: str, read: Overrides) -> Any:
    """Return the config that a run recorded, for going on with it.

    Args:
        command: `train`.
        read: what was typed, with `resume` among its paths.

    Raises:
        UsageError: when there is no such run, or something typed would make it another run.
    """
    run = Path(str(read.paths["resume"]))
    names = [*read.paths, *read.tables, *(override.key_or_group for override in (*read.choices, *read.values))]
    for name in names:
        if name not in RESUMABLE:
            raise UsageError(
                f"{name} cannot change when a run goes on: it is read from {run}; leave it out "
                f"(these may change: {listed(RESUMABLE[1:])})"
            )
    if not (run / CONFIG_FILE).is_file():
        what = f"it has no {CONFIG_FILE}" if run.is_dir() else "there is no such folder"
        what = "it is a file; a packaged model is for prediction alone" if run.is_file() else what
        raise UsageError(f"resume: {run} is not a run folder: {what}")
    return _configured(command, run / CONFIG_FILE, read, forgotten={"trust": []})  # a run may not trust itself


def _configured(command: str, path: str | Path, read: Overrides, forgotten: Mapping[str, Any] | None = None) -> Any:
    values = load_yaml(path)
    if not isinstance(values, dict):
        raise DataError(f"{path} is not a composed config: it holds no mapping")
    values.update(forgotten or {})
    _apply(values, read)
    try:
        config = typed(schema_of(command), values)
        check_own_targets(config)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    check_config(config)
    return config


def _apply(values: dict[str, Any], read: Overrides) -> None:
    if read.choices:
        raise UsageError(
            f"{read.choices[0].input_line}: a composed config has its groups already; pass single keys instead"
        )
    changes: dict[str, Any] = {**read.paths, **read.tables}
    for override in read.values:
        if override.is_delete():
            raise UsageError(f"{override.input_line}: a key of a composed config can be changed, not deleted")
        changes[override.key_or_group] = override.value()
    for name, value in changes.items():
        *sections, leaf = name.split(".")
        node: Any = values
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise UsageError(f"{name}={shown(value)}: {'.'.join(sections)} is not a mapping of keys to values")
        node[leaf] = value
