"""Composition: conf/ and what was typed become one checked, typed config."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from segkit.config.checks import check_config
from segkit.config.commands import InspectConfig, PrepareConfig, TrainConfig
from segkit.config.groups import Sources, choices, config_sources, groups, not_chosen, unknown_choice
from segkit.config.hydra_loader import hydra_config
from segkit.config.keys import keys_of, path_keys, unknown_key
from segkit.config.literal_paths import escaped, located
from segkit.config.overrides import Overrides, check_beside_plan_file, read_overrides, schema_of
from segkit.config.ranges import without_ranges
from segkit.config.recorded import configure_resumed
from segkit.config.targets import check_own_targets
from segkit.config.typed import MISSING, not_set, typed
from segkit.foundation.errors import UsageError, one_line
from segkit.foundation.plain import to_yaml
from segkit.foundation.suggestions import listed

SEARCH = "tune"  # the command to which ranges may be typed
# What is typed wrong also surfaces as plain errors of the libraries beneath Hydra: a bad interpolation, a bad file.
_REFUSALS = (HydraException, OmegaConfBaseException, YAMLError, ValueError, OSError)


def configure(command: str, overrides: Sequence[str] = (), *, config_dirs: Iterable[str | Path] = ()) -> Any:
    """Return the typed config of a command, as the command line would.

    Args:
        command: `train`, `predict` ...
        overrides: `key=value` words; paths are taken literally and relative to the working directory.
        config_dirs: folders laid out like conf/; they win over segkit's own, the first over the others.

    Returns:
        The command's dataclass of `segkit.config.commands`, every path absolute.

    Raises:
        UsageError: in one line, for whatever is wrong with the keys, values, choices or targets.
        DataError: when `resume` names a run whose config cannot be read.
    """
    sources = config_sources(config_dirs)
    read = read_overrides(command, overrides, sources, sweep=command == SEARCH)
    if read.paths.get("resume"):
        if command == SEARCH:
            raise UsageError("resume goes on with one run; a search goes on by its own words: output=STUDY")
        return configure_resumed(command, read)
    schema = schema_of(command)
    values = plain_config(_composed(command, read, sources), schema, sources)
    if schema in (PrepareConfig, InspectConfig):  # an experiment also says what training alone needs
        values = {name: value for name, value in values.items() if name not in _training_only(schema)}
    config = typed(schema, values)
    check_beside_plan_file(config, read)
    check_own_targets(config)
    check_config(config)
    return config


def compose(command: str, overrides: Sequence[str] = (), *, config_dirs: Iterable[str | Path] = ()) -> DictConfig:
    """Return the composed config as Hydra's compose makes it: interpolations unresolved, values not yet checked.

    Raises:
        UsageError: when a key or a choice does not exist, or a group is not chosen.
    """
    sources = config_sources(config_dirs)
    return _composed(command, read_overrides(command, overrides, sources, sweep=command == SEARCH), sources)


def _training_only(schema: type) -> set[str]:
    own = {field.name for field in fields(schema)}
    return {field.name for field in fields(TrainConfig)} - own


def composed_yaml(command: str, overrides: Sequence[str] = (), *, config_dirs: Iterable[str | Path] = ()) -> str:
    """Return the composed config as `--cfg job` prints it: resolved, unless something is still missing.

    Raises:
        UsageError: when a key or a choice does not exist, or a group is not chosen.
    """
    sources = config_sources(config_dirs)
    read = read_overrides(command, overrides, sources, sweep=command == SEARCH)
    if read.paths.get("resume"):
        return to_yaml(configure_resumed(command, read))
    config = _composed(command, read, sources)
    try:
        return to_yaml(OmegaConf.to_container(config, resolve=True))
    except OmegaConfBaseException:
        return OmegaConf.to_yaml(config)


def _composed(command: str, read: Overrides, sources: Sources) -> DictConfig:
    read, ranges = without_ranges(read, sources)
    _check_optional_groups(command, read, sources)
    lines = [override.input_line for override in (*read.choices, *read.values) if override.input_line]
    lines += _yielding_length(read)
    try:
        config = hydra_config(command, lines, sources, _tables(command))
    except MissingConfigException as error:
        group, _, choice = (error.missing_cfg_file or "").rpartition("/")
        if not group:
            raise UsageError(one_line(str(error).partition("Config search path:")[0])) from error
        raise unknown_choice(group, choice, error.options or []) from error
    except RecursionError as error:
        typed_choices = listed(override.input_line or "" for override in read.choices)
        raise UsageError(f"a yaml is nested too deeply to be read; chosen were {typed_choices}") from error
    except _REFUSALS as error:
        raise _explained(command, read, sources, error) from error
    # Hydra would merge them into the labels that the chosen data set has already.
    for name, table in read.tables.items():
        OmegaConf.update(config, name, table, merge=False, force_add=True)
    with open_dict(config):
        for name, dimension in ranges.items():
            config.sweep.space[name] = dimension
    _set_paths(config, schema_of(command), read)
    return config


def _check_optional_groups(command: str, read: Overrides, sources: Sources) -> None:
    """Refuse `data.root=DIR` where data is a section that may be left out, and was."""
    chosen = {override.key_or_group for override in read.choices}
    names = [*read.paths, *read.tables, *(override.key_or_group for override in read.values)]
    for group, key in keys_of(schema_of(command)).items():
        if key.is_optional_section and group not in chosen and any(name.startswith(f"{group}.") for name in names):
            raise not_chosen(group, choices(sources, group))


def _tables(command: str) -> list[str]:
    return [name for name, key in keys_of(schema_of(command)).items() if key.is_table]


def _yielding_length(read: Overrides) -> list[str]:
    """Return the override that drops an experiment's length where the other way to say how long was typed."""
    lengths = ("training.budget", "training.steps")
    # Who types both has said what is meant: nothing yields then, and `check_length` tells where that is too much.
    typed_keys = [override.key_or_group for override in read.values if override.key_or_group in lengths]
    given = [override for override in read.values if override.key_or_group in lengths and override.value() is not None]
    return [f"{key}=null" for key in lengths if given and key not in typed_keys]


def _explained(command: str, read: Overrides, sources: Sources, error: Exception) -> UsageError:
    """Turn a refusal of Hydra into one line that says what to type instead."""
    typed_groups = {override.key_or_group for override in read.choices}
    for group, default in groups(sources, command).items():
        if default == MISSING and group not in typed_groups and f"'{group}'" in str(error):
            return not_chosen(group, choices(sources, group))
    # Which key does not exist shows once everything but the keys is composed.
    with suppress(*_REFUSALS):
        lines = [override.input_line or "" for override in read.choices]
        config = hydra_config(command, lines, sources, _tables(command))
        for override in read.values:
            is_new = override.is_add() or override.is_force_add()
            if not is_new and _section_with(config, override.key_or_group) is None:
                known = [*keys_of(schema_of(command)), *_open_keys(config)]
                return unknown_key(override.key_or_group, known)
    return UsageError(one_line(error) or one_line(error.__cause__ or type(error).__name__))


def _section_with(config: DictConfig, key: str) -> DictConfig | None:
    """Return the section that holds a key; None where there is none."""
    parent, _, name = key.rpartition(".")
    with suppress(OmegaConfBaseException):  # a list stands where a section is meant
        node = OmegaConf.select(config, parent) if parent else config
        if isinstance(node, DictConfig) and name in node.keys():  # noqa: SIM118  (`in` hides missing values)
            return node
    return None


def _open_keys(node: Any, prefix: str = "") -> list[str]:
    names = []
    if isinstance(node, DictConfig) and not node._is_none() and not node._is_missing():
        for name in map(str, node):
            names += [f"{prefix}{name}", *_open_keys(node._get_node(name), f"{prefix}{name}.")]
    return names


def _set_paths(config: DictConfig, schema: type, read: Overrides) -> None:
    for name, value in read.paths.items():
        literal = [escaped(path) for path in value] if isinstance(value, list) else value and escaped(value)
        OmegaConf.update(config, name, literal, force_add=True)
    # A root given in a yaml is made absolute before the paths that are built on it are resolved.
    keys = path_keys(schema)
    for name in sorted(keys, key=lambda name: _is_reference(config, name)):
        with suppress(OmegaConfBaseException):  # it refers to a key that is not set, which is reported later
            value = OmegaConf.select(config, name)
            if isinstance(value, str):
                OmegaConf.update(config, name, escaped(located(keys[name], value)))


def _is_reference(config: DictConfig, name: str) -> bool:
    section = _section_with(config, name)
    return section is not None and OmegaConf.is_interpolation(section, name.rpartition(".")[2])


def plain_config(config: DictConfig, schema: type, sources: Sources = ()) -> dict[str, Any]:
    """Resolve a composed config into plain dicts, lists and scalars.

    Raises:
        UsageError: when a value is not set, or refers to a key that does not exist.
    """
    unresolved = OmegaConf.to_container(config, resolve=False)
    for name, key in keys_of(schema).items():
        value = _at(unresolved, name)
        if value == MISSING:
            raise not_set(key)
        is_absent = "." not in name and not (isinstance(unresolved, Mapping) and name in unresolved)
        if is_absent and not key.is_optional_section:
            raise not_chosen(name, choices(sources, name)) if choices(sources, name) else not_set(key)
    try:
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key_name = getattr(error, "full_key", None) or "config"
        raise UsageError(f"{key_name}: {one_line(str(error).partition('full_key:')[0])}") from error
    return {str(name): value for name, value in resolved.items()} if isinstance(resolved, dict) else {}


def _at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
