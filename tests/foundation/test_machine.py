import os

import psutil
import pytest

from segkit.foundation import machine
from segkit.foundation.machine import available_cores, available_memory


@pytest.fixture
def cgroups(tmp_path, monkeypatch):
    """Lets a test write control groups: `write(name, text)`; our own group is /job/step."""

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    monkeypatch.setattr(machine, "_CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "_cgroup_lines", lambda: ["0::/job/step"])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    return write


def test_what_this_machine_gives():
    assert 1 <= available_cores() <= os.cpu_count()
    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_cores_follow_the_affinity_mask(cgroups):
    assert available_cores() == 16


@pytest.mark.parametrize(
    ("group", "text", "cores"),
    [
        ("job/step", "400000 100000", 4),
        ("job", "250000 100000", 2),
        (".", "50000 100000", 1),
        ("job", "max 100000", 16),
        ("elsewhere", "100000 100000", 16),
        ("job", "damaged", 16),
    ],
)
def test_cores_follow_the_quota_of_any_group_above_us(cgroups, group, text, cores):
    cgroups(f"{group}/cpu.max", text)
    assert available_cores() == cores


def test_memory_follows_the_tightest_limit_and_counts_file_cache_as_free(cgroups):
    cgroups("job/memory.max", str(8 << 20))
    cgroups("job/memory.current", str(3 << 20))
    cgroups("job/memory.stat", f"anon 5\ninactive_file {1 << 20}\n")
    cgroups("job/step/memory.max", "max")
    cgroups("memory.max", str(1 << 62))
    assert available_memory() == 6 << 20
    cgroups("job/memory.current", str(20 << 20))
    assert available_memory() == 0


def test_version_1_control_groups(cgroups, monkeypatch):
    monkeypatch.setattr(machine, "_cgroup_lines", lambda: ["4:cpu,cpuacct:/job", "3:memory:/job", "1:name=systemd:/x"])
    cgroups("cpu/job/cpu.cfs_quota_us", "300000")
    cgroups("cpu/job/cpu.cfs_period_us", "100000")
    cgroups("memory/job/memory.limit_in_bytes", str(5 << 20))
    cgroups("memory/job/memory.usage_in_bytes", str(1 << 20))
    assert available_cores() == 3
    assert available_memory() == 4 << 20
    cgroups("cpu/job/cpu.cfs_quota_us", "-1")
    assert available_cores() == 16


def test_no_control_groups_at_all(cgroups, monkeypatch):
    monkeypatch.setattr(machine, "_cgroup_lines", list)
    assert available_cores() == 16
