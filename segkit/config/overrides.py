"""The overrides that Hydra's grammar reads, checked against the schema before anything is composed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from segkit.config.commands import CONFIGS
from segkit.config.data_places import refuse_place
from segkit.config.groups import Sources, choices, groups, unknown_choice
from segkit.config.keys import Key, declared_key
from segkit.config.literal_paths import PathValue, split_paths
from segkit.config.typed import MISSING, checked
from segkit.foundation.errors import UsageError, one_line
from segkit.foundation.suggestions import did_you_mean, listed

YAML = ".yaml"
DATA = "data"


@dataclass(frozen=True)
class Overrides:
    """What was typed for one command, read and checked.

    Attributes:
        paths: the value of each path key.
        choices: overrides of groups, `data=hippocampus`.
        tables: whole mappings of names to plain values, `data.labels={background: 0, liver: 1}`.
        values: all others, `training.steps=10`, `+network.norm=batch`, `~training.budget`.
    """

    paths: Mapping[str, PathValue]
    choices: tuple[Override, ...]
    tables: Mapping[str, Any]
    values: tuple[Override, ...]


def schema_of(command: str) -> type[Any]:
    """Return a command's dataclass.

    Raises:
        UsageError: when there is no such command.
    """
    if command not in CONFIGS:
        raise UsageError(
            f"{command} is not a command{did_you_mean(command, CONFIGS) or ';'} commands: {listed(CONFIGS)}"
        )
    return CONFIGS[command]


def read_overrides(command: str, words: Sequence[str], sources: Sources, *, sweep: bool = False) -> Overrides:
    """Read `key=value` words and find every mistake that needs no composed config.

    Args:
        command: names the schema.
        words: as typed.
        sources: folders of configs.
        sweep: whether `key=A,B` is welcome.

    Raises:
        UsageError: naming the first word that is malformed, or whose key, choice or value does not exist.
    """
    schema, offered = schema_of(command), groups(sources, command)
    for word in words:
        group, _, value = word.partition("=")
        if group == DATA and group in offered and value.removesuffix(YAML) not in choices(sources, DATA):
            refuse_place(command, word)
    paths, others = split_paths(schema, [_plan_file(word, sources) for word in words])
    chosen, values, tables = [], [], {}
    for override in map(parsed, others):
        _check_form(override, sweep)
        name = override.key_or_group
        if name in offered and not isinstance(override.value(), dict):
            if override.value() is None and offered[name] is None and not override.is_delete():
                continue  # `experiment=null` says what is so already, and Hydra takes no null for a group
            _check_choice(override, sources)
            chosen.append(override)
        else:
            key = _check_value(schema, override, offered)
            if key.is_table and key.name == name and isinstance(override.value(), dict):
                tables[name] = override.value()
            else:
                values.append(override)
    return Overrides(paths, tuple(chosen), tables, tuple(values))


def _plan_file(word: str, sources: Sources) -> str:
    """Turn `plan=PATH` of an edited plan into `plan.file=PATH`; a name of the group stays a choice."""
    group, _, value = word.partition("=")
    is_file = group == "plan" and value.endswith(YAML) and value.removesuffix(YAML) not in choices(sources, "plan")
    return f"plan.file={value}" if is_file else word


def check_beside_plan_file(config: Any, read: Overrides) -> None:
    """Refuse options of the planner that are typed beside a stored plan, which leaves nothing to decide.

    Raises:
        UsageError: naming them.
    """
    plan, cascade = getattr(config, "plan", None), getattr(config, "cascade", None)
    idle = [override.key_or_group for override in read.values if override.key_or_group.startswith("plan.")]
    # The earlier stage of a cascade is planned with them: the file is of the later one.
    if idle and plan and plan.file and not (cascade and cascade.folds):
        raise UsageError(f"{listed(idle)} would change nothing beside plan.file: edit {plan.file} instead")


def parsed(word: str) -> Override:
    """Read one word with Hydra's grammar.

    Raises:
        UsageError: when it does not follow the grammar.
    """
    if word.find("=") < 1 and not word.startswith("~"):
        raise UsageError(f"{word} is not key=value")
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise UsageError(f"{word} does not follow the key=value grammar: {one_line(error)}; {_advice(word)}") from error


def _advice(word: str) -> str:
    if any(word.count(opening) > word.count(closing) for opening, closing in ("{}", "[]")):
        key = word.partition("=")[0]
        return f"its brackets do not close: at a space the shell begins a new word, so quote it whole: '{key}=...'"
    return "put a value with special characters in quotes inside quotes: \"key='...'\""


def _check_form(override: Override, sweep: bool) -> None:
    if override.package is not None:
        raise UsageError(f"{override.input_line}: a group cannot be moved to another place of the config")
    if override.is_hydra_override():
        raise UsageError(f"{override.input_line}: segkit has no use for Hydra's own settings; leave it out")
    if override.is_sweep_override() and not sweep:
        raise UsageError(
            f"{override.input_line} has several values: add -m to train once for each, write [A,B] for a list, "
            "or quote it as one text: \"key='A,B'\""
        )


def _check_choice(override: Override, sources: Sources) -> None:
    if override.is_delete() or override.is_sweep_override():
        return
    group, value = override.key_or_group, override.value()
    offered = choices(sources, group)
    for choice in value if isinstance(value, list) else [value]:
        if not isinstance(choice, str) or choice.removesuffix(YAML) not in offered:
            raise unknown_choice(group, "null" if choice is None else choice, offered)


def _check_value(schema: type, override: Override, offered: Mapping[str, object]) -> Key:
    is_checkable = not override.is_delete() and not override.is_sweep_override()
    return _check_key(schema, override.key_or_group, override.value() if is_checkable else MISSING, offered)


def _check_key(schema: type, name: str, value: object, offered: Mapping[str, object]) -> Key:
    key = declared_key(schema, name, also=offered)
    if key.is_section and isinstance(value, dict):
        for below, member in value.items():
            _check_key(schema, f"{name}.{below}", member, offered)
    is_text_to_resolve = isinstance(value, str) and ("${" in value or value == MISSING)
    # What stands inside an open mapping or refers to other keys is checked once it is composed.
    if key.name == name and not key.is_section and not is_text_to_resolve:
        checked(key, value)
    return key
