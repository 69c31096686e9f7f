"""Hydra's composition of yamls, with the user's folders first and tables that replace those that they build on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.default_element import ResultDefault
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, open_dict

from segkit.config.groups import Sources
from segkit.config.typed import MISSING


def hydra_config(command: str, lines: Sequence[str], sources: Sources, tables: Iterable[str]) -> DictConfig:
    """Return the config of a command as Hydra composes it.

    Args:
        command: whose root yaml it is.
        lines: overrides in Hydra's grammar.
        sources: folders of configs; the first that has a file wins.
        tables: dotted keys whose mapping replaces the one of the yaml that it builds on; Hydra merges all others.
    """
    # Hydra's public compose() looks for the root config in one folder only, and always before any other folder, so a
    # user's folder could not win. The loader behind it takes the folders in our order, and leaves no global state.
    search_path = ConfigSearchPathImpl()
    search_path.append("hydra", "pkg://hydra.conf")
    for folder in sources:
        search_path.append("segkit", f"file://{folder}")
    search_path.append("schema", "structured://")
    Plugins.instance()  # registers the readers of these schemes
    setbase("1.3")  # the loader asks whose behaviour is wanted, which hydra.main would have set
    words = ["hydra.job.name=segkit", *lines]
    config = _Loader(search_path, tables).load_configuration(command, words, RunMode.RUN, from_shell=False)
    with open_dict(config):
        del config["hydra"]
    return config


class _Loader(ConfigLoaderImpl):
    """Gives a data set that builds on another its own labels, not those of both."""

    def __init__(self, search_path: ConfigSearchPathImpl, tables: Iterable[str]) -> None:
        super().__init__(search_path)
        self._tables = tuple(tables)
        self._stated: dict[str, Any] = {}

    def _load_single_config(self, default: ResultDefault, repo: IConfigRepository) -> ConfigResult:
        loaded = super()._load_single_config(default, repo)
        for name in self._tables:
            parent, _, leaf = name.rpartition(".")
            section = OmegaConf.select(loaded.config, parent) if parent else loaded.config
            own: Any = OmegaConf.to_container(section, resolve=False) if isinstance(section, DictConfig) else {}
            if own.get(leaf, MISSING) != MISSING:
                self._stated[name] = own[leaf]
        return loaded

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        config = super()._compose_config_from_defaults_list(defaults, repo)
        for name, table in self._stated.items():
            OmegaConf.update(config, name, table, merge=False, force_add=True)
        return config
