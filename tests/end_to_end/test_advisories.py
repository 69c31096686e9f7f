"""Attacks modelled on published advisories of the libraries beneath, on the doors of segkit they would come through.

Of the others, CVE-2026-24747 (PyTorch, operations of a checkpoint) stands in tests/foundation/test_strangers.py,
CVE-2025-23304 (NeMo, targets in a packaged model) in tests/inference/test_hostile_records.py, CVE-2026-21851 (MONAI, a
zip whose members lead out of it) in tests/end_to_end/test_packages.py, and CVE-2026-32711 (pydicom, a DICOMDIR that
names files outside) in tests/volumes/dicom/test_directory.py.
"""

import re
from dataclasses import asdict
from types import MappingProxyType

import pytest

from segkit.config.compose import configure
from segkit.config.recorded import load_config
from segkit.foundation import targets
from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.foundation.files import write_yaml
from segkit.training.building import check_strangers_config
from segkit.volumes.reading import read
from tests.fuzzing.volumes import dicom_series

WORDS = ("data=paired", "data.root=x", "data.labels={background: 0, liver: 1}", "training.steps=5")
UNLOCKS = "hydra._internal.target_policy.UNCONTROLLED_EXECUTION_TARGETS.discard"
RUNS = {"_target_": "os.system", "_args_": ["id"]}


@pytest.fixture
def recorded(tmp_path):
    """What a stranger's run recorded, written with some keys changed and read as `segkit train resume=RUN` does."""

    def read_again(**changes: object):
        write_yaml(tmp_path / "config.yaml", asdict(configure("train", WORDS)) | changes)
        config = load_config("train", tmp_path / "config.yaml")
        check_strangers_config(config)
        return config

    assert read_again()
    return read_again


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    monkeypatch.setattr("os.system", lambda command: pytest.fail(f"ran {command}"))


@pytest.mark.parametrize("slot", ["network", "loss", "optimizer", "schedule", "logger", "profiler"])
@pytest.mark.parametrize("target", ["os.system", "builtins.exec", "hydra.utils.call", UNLOCKS])
def test_no_part_of_a_recorded_config_calls_what_it_names(recorded, slot, target):
    """CVE-2026-68508: Hydra before 1.3.4 called whatever a `_target_` named."""
    refused = rf"^{slot}: '?{re.escape(target)}'? (comes from the package|is not the dotted path)"
    with pytest.raises(SegkitError, match=refused):
        recorded(**{slot: {**RUNS, "_target_": target}})


@pytest.mark.parametrize("long", [False, True])
def test_no_transform_of_a_recorded_augmentation_calls_what_it_names(recorded, long):
    changes = {"mirror": 0.0, "mirror_axes": None, "transforms": [RUNS]}
    augmentation = {**changes, "transforms": [], "long": changes} if long else {**changes, "long": None}
    with pytest.raises(SegkitError, match=r"os\.system"):
        recorded(augmentation=augmentation)


@pytest.mark.parametrize("first", [UNLOCKS, "segkit.foundation.targets.resolve_target"])
def test_one_part_cannot_open_the_gate_for_the_next(recorded, first):
    """CVE-2026-106439: a part could take a name off Hydra's list of refused ones, and the part after it use that."""
    unlocks = {"_target_": first, "_args_": ["os.system"]}
    for order in ({"a": unlocks, "b": RUNS}, {"b": RUNS, "a": unlocks}):
        with pytest.raises(SegkitError, match=r"callbacks\.[ab]"):
            recorded(callbacks=order)


def test_what_the_gate_goes_by_cannot_be_changed():
    containers = {name: value for name, value in vars(targets).items() if re.fullmatch("_[A-Z_]+", name)}
    assert {"_ALLOWED", "_DOOR_MODULES", "_NO_ARGUMENTS"} <= set(containers)
    assert all(isinstance(value, tuple | re.Pattern | MappingProxyType) for value in containers.values())


def test_a_recorded_config_sets_up_no_logging(recorded):
    """CVE-2026-106441: Hydra before 1.3.6 called what the handlers of a logging configuration named."""
    handlers = {"handlers": {"h": {"()": "os.system", "command": "id"}}, "root": {"handlers": ["h"]}, "version": 1}
    with pytest.raises(UsageError, match="hydra"):
        recorded(hydra={"job_logging": handlers})


def test_a_network_of_others_downloads_no_weights(recorded):
    """CVE-2026-109360: MONAI before 1.6.1 unpickled weights that it had fetched over plain HTTP."""
    network = {"_target_": "monai.networks.nets.SEResNet50", "spatial_dims": 2, "in_channels": 3}
    assert recorded(network=network).network == network
    with pytest.raises(DataError, match=r"network: .* would read or download through pretrained=True"):
        recorded(network=network | {"pretrained": True})


@pytest.mark.parametrize("value", [b"nan", b"inf", b"-inf", b"1e999"])
@pytest.mark.parametrize(
    ("tag", "keyword", "count"),
    [
        (b"\x28\x00\x30\x00", "PixelSpacing", 2),
        (b"\x20\x00\x32\x00", "ImagePositionPatient", 3),
        (b"\x20\x00\x37\x00", "ImageOrientationPatient", 6),
        (b"\x28\x00\x53\x10", "RescaleSlope", 1),
        (b"\x28\x00\x52\x10", "RescaleIntercept", 1),
    ],
)
def test_geometry_and_intensities_are_finite(tmp_path, tag, keyword, count, value):
    """CVE-2026-48705: MONAI before 1.6.1 took decimals that are no numbers, and segmented on a corrupt grid."""
    path = dicom_series(tmp_path / "series") / "1.dcm"
    content = path.read_bytes()
    start = content.index(tag + b"DS") + 6
    end = start + 2 + int.from_bytes(content[start : start + 2], "little")
    text = b"\\".join([value] + [b"1"] * (count - 1))
    text += b" " * (len(text) % 2)
    path.write_bytes(content[:start] + len(text).to_bytes(2, "little") + text + content[end:])
    with pytest.raises(DataError, match=keyword):
        read(tmp_path / "series")
