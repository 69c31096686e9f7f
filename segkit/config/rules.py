"""Rules of postprocessing: what becomes of a label's components and holes once a mask is predicted."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed


@dataclass(frozen=True)
class Rule:
    """What is done to one label.

    Attributes:
        keep_largest: whether only its largest component stays.
        smallest_mm3: components of a smaller volume, in mm3, are removed; 0: none.
        fill_holes: whether background that the label encloses becomes the label.
    """

    keep_largest: bool = False
    smallest_mm3: float = 0.0
    fill_holes: bool = False

    @property
    def removes(self) -> bool:
        """Whether components may go."""
        return self.keep_largest or self.smallest_mm3 > 0


Rules = Mapping[str, Rule]
KEYS = tuple(field.name for field in fields(Rule))


def rules_from(declared: Any, where: str) -> dict[str, Rule]:
    """Read rules as a config or a model declares them.

    Args:
        declared: `{LABEL: {keep_largest: true, smallest_mm3: 100, fill_holes: true}}`; what is left out is not done.
        where: the key that holds them, for errors.

    Raises:
        UsageError: naming the label and key whose name or value cannot be.
    """
    if not isinstance(declared, Mapping):
        raise UsageError(f"{where}: {declared} is not a mapping of labels to rules")
    return {name: _rule(rule, f"{where}.{name}") for name, rule in declared.items()}


def _rule(declared: Any, where: str) -> Rule:
    if not isinstance(declared, Mapping):
        raise UsageError(f"{where}: {declared} is not a mapping such as {{{KEYS[0]}: true}}")
    for key, value in declared.items():
        if key not in KEYS:
            raise UsageError(
                f"{where}.{key} is not a key{did_you_mean(str(key), KEYS) or ';'} a rule has {listed(KEYS)}"
            )
        if key == "smallest_mm3":
            if type(value) not in (int, float) or not 0 <= value < math.inf:
                raise UsageError(f"{where}.{key}: {value} is not a volume in mm3, 0 or more")
        elif type(value) is not bool:
            raise UsageError(f"{where}.{key}: {value} is not true or false")
    values = {**asdict(Rule()), **declared}
    return Rule(values["keep_largest"], float(values["smallest_mm3"]), values["fill_holes"])


def check_labels(rules: Rules, foreground: Sequence[str], where: str) -> None:
    """Make sure that rules are of labels that there are.

    Raises:
        UsageError: naming the first that is none, the nearest label and all of them.
    """
    for name in rules:
        if name not in foreground:
            hint = did_you_mean(str(name), foreground) or ";"
            raise UsageError(f"{where}: {name} is not a label{hint} labels: {listed(foreground)}")


def are_rules(declared: Any, names: Collection[Any]) -> bool:
    """Say whether rules out of a file can be used; a stranger's may hold anything."""
    try:
        return all(name in names for name in rules_from(declared, "postprocessing"))
    except UsageError:
        return False


def plain_rules(rules: Rules) -> dict[str, dict[str, Any]]:
    """Return rules as they are written: those that do something, every key named."""
    return {name: asdict(rule) for name, rule in rules.items() if rule != Rule()}


def shared_rules(members: Sequence[Rules]) -> dict[str, Rule]:
    """Return what the rules of every member of an ensemble ask for: each deed that all of them do.

    Of several smallest volumes the least is taken, since all agree that what is smaller still must go.
    """
    names = [name for name in members[0] if all(name in rules for rules in members)]
    together = {name: [rules[name] for rules in members] for name in names}
    shared = {
        name: Rule(
            all(rule.keep_largest for rule in rules),
            min(rule.smallest_mm3 for rule in rules),
            all(rule.fill_holes for rule in rules),
        )
        for name, rules in together.items()
    }
    return {name: rule for name, rule in shared.items() if rule != Rule()}


def in_words(rules: Rules) -> str:
    """Say rules in a line: `liver: largest component, holes filled; lesion: no components below 30 mm3`."""
    return "; ".join(f"{name}: {rule_in_words(rule)}" for name, rule in rules.items() if rule != Rule()) or "none"


def rule_in_words(rule: Rule) -> str:
    """Say one rule: `largest component, holes filled`, or `none`."""
    deeds = [
        *(["largest component"] if rule.keep_largest else []),
        *([f"no components below {rule.smallest_mm3:g} mm3"] if rule.smallest_mm3 else []),
        *(["holes filled"] if rule.fill_holes else []),
    ]
    return ", ".join(deeds) or "none"
