"""Which rules of postprocessing a model, or an ensemble, applies."""

from __future__ import annotations

from collections.abc import Sequence

from segkit.config.groups import conf_folder
from segkit.config.labels import labels_from
from segkit.config.options import PostprocessingOptions
from segkit.config.rules import Rule, Rules, check_labels, in_words, rules_from, shared_rules
from segkit.config.typed import typed
from segkit.foundation.files import read_yaml
from segkit.runs.model_file import ModelRecord


def rules_of(records: Sequence[ModelRecord], options: PostprocessingOptions | None = None) -> dict[str, Rule]:
    """Return the rules by label: what the models learnt, under what the user says.

    Of an ensemble each deed counts that all its models learnt; of volumes that differ, the smallest. A rule of the
    user's replaces all that was learnt of that label.

    Args:
        records: of models with the same labels.
        options: of the user; None takes `conf/postprocessing/learnt.yaml`.

    Raises:
        UsageError: when a rule is of a label that the models do not have, or cannot be read.
    """
    options = options or standard_postprocessing()
    given = rules_from(options.rules, "postprocessing.rules")
    foreground = labels_from(records[0].labels, records[0].region_order).foreground
    check_labels(given, foreground, "postprocessing.rules")
    learnt = shared_rules([rules_from(record.postprocessing, "postprocessing") for record in records])
    rules = {**(learnt if options.learnt else {}), **given}
    return {name: rules[name] for name in foreground if rules.get(name, Rule()) != Rule()}


def said_of(rules: Rules, records: Sequence[ModelRecord], options: PostprocessingOptions) -> str | None:
    """Say in a line which rules are applied, or why none; None where nothing was learnt and nothing asked for."""
    if rules:
        return in_words(rules)
    if options.rules or not options.learnt:
        return "none, as asked"
    if len(records) > 1 and any(record.postprocessing for record in records):
        return "none: the models share no rule that they learnt"
    return None


def standard_postprocessing() -> PostprocessingOptions:
    """Return `conf/postprocessing/learnt.yaml`."""
    return typed(PostprocessingOptions, read_yaml(conf_folder() / "postprocessing" / "learnt.yaml"), "postprocessing")
