"""What the planner is told in tests: conf/plan/full_3d.yaml on a CPU, nothing timed, but for what a test changes."""

from segkit.config.groups import conf_folder
from segkit.config.options import PlanOptions
from segkit.foundation.files import read_yaml


def plan_options(**changes) -> PlanOptions:
    shipped = read_yaml(conf_folder() / "plan" / "full_3d.yaml")
    return PlanOptions(**{**shipped, "memory": "cpu", "measure": False, **changes})
