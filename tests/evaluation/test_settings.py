import pytest

from segkit.config.compose import configure
from segkit.evaluation.settings import Settings, check_tolerances, settings_of
from segkit.foundation.errors import UsageError


def asked(tmp_path, *words):
    folders = [f"{name}={tmp_path}" for name in ("predictions", "references", "output")]
    return settings_of(configure("evaluate", [*folders, *words]).metrics)


def test_the_defaults_are_those_of_the_yaml(tmp_path):
    assert asked(tmp_path) == Settings()


def test_what_is_typed_arrives(tmp_path):
    found = asked(tmp_path, "metrics.compute=[all]", "metrics.lesions.sizes=[1,0.1]", "metrics.tolerances={liver: 3.0}")
    assert found.compute == ("all",)
    assert found.lesions.sizes == (0.1, 1)
    assert (found.tolerance_of("liver"), found.tolerance_of("spleen")) == (3, 1)


def test_a_tolerance_of_no_label_is_a_mistake():
    with pytest.raises(UsageError, match="there is no label livre; did you mean liver"):
        check_tolerances(Settings(tolerances={"livre": 1.0}), ["liver", "spleen"])
