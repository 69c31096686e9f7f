"""The group `sweep` as its base yaml has it, with changes."""

import yaml

from segkit.config.groups import conf_folder
from segkit.config.search import SweepOptions


def sweep_options(**changes) -> SweepOptions:
    base = yaml.safe_load((conf_folder() / "sweep" / "_search.yaml").read_text())
    return SweepOptions(**{**base, **changes})
