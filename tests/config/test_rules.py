"""Rules as people and models declare them."""

import pytest

from segkit.config.rules import Rule, are_rules, check_labels, in_words, plain_rules, rules_from, shared_rules
from segkit.foundation.errors import UsageError


def test_what_is_left_out_is_not_done():
    declared = {"liver": {"smallest_mm3": 100}, "spleen": {"keep_largest": True, "fill_holes": True}, "kidney": {}}
    rules = rules_from(declared, "rules")
    assert rules == {"liver": Rule(smallest_mm3=100.0), "spleen": Rule(True, 0.0, True), "kidney": Rule()}
    assert isinstance(rules["liver"].smallest_mm3, float)
    assert rules_from(plain_rules(rules), "rules") == {name: rules[name] for name in ("liver", "spleen")}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (3, "rules: 3 is not a mapping of labels to rules"),
        ({"liver": True}, "rules.liver: True is not a mapping such as {keep_largest: true}"),
        (
            {"liver": {"keep_largst": True}},
            "rules.liver.keep_largst is not a key; did you mean keep_largest? a rule has keep_largest, smallest_mm3",
        ),
        ({"liver": {"fill_holes": "yes"}}, "rules.liver.fill_holes: yes is not true or false"),
        ({"liver": {"smallest_mm3": -1}}, "rules.liver.smallest_mm3: -1 is not a volume in mm3, 0 or more"),
        ({"liver": {"smallest_mm3": True}}, "rules.liver.smallest_mm3: True is not a volume in mm3, 0 or more"),
        ({"liver": {"smallest_mm3": float("nan")}}, "rules.liver.smallest_mm3: nan is not a volume in mm3, 0 or more"),
    ],
)
def test_what_is_wrong_is_named(declared, message):
    with pytest.raises(UsageError) as refused:
        rules_from(declared, "rules")
    assert str(refused.value).startswith(message)
    assert not are_rules(declared, ["liver"])


def test_an_unknown_label_is_named_with_the_nearest():
    with pytest.raises(UsageError) as refused:
        check_labels({"livr": Rule()}, ("liver", "spleen"), "rules")
    assert str(refused.value) == "rules: livr is not a label; did you mean liver? labels: liver, spleen"


def test_an_ensemble_shares_what_all_of_it_learnt():
    first = {"liver": Rule(True, 100.0, True), "spleen": Rule(smallest_mm3=5.0), "kidney": Rule(fill_holes=True)}
    second = {"liver": Rule(True, 30.0, False), "spleen": Rule(keep_largest=True)}
    assert shared_rules([first]) == first
    assert shared_rules([first, second]) == shared_rules([second, first]) == {"liver": Rule(True, 30.0, False)}
    assert shared_rules([first, {}]) == {}


def test_in_words():
    rules = {"liver": Rule(True, 0.0, True), "lesion": Rule(smallest_mm3=30.0), "spleen": Rule()}
    assert in_words(rules) == "liver: largest component, holes filled; lesion: no components below 30 mm3"
    assert in_words({}) == in_words({"spleen": Rule()}) == "none"
