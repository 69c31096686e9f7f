"""The doors for configs: what is typed, a user's own yaml, and a run's config of which nothing may be imported."""

import os
from dataclasses import asdict
from pathlib import Path

from tests.fuzzing.reader import Reader, seed_folder

TRAIN = ("data=paired", "data.root=x", "data.labels={background: 0, liver: 1}", "training.steps=5")
TYPED = {
    "train": (*TRAIN, "++network.dropout=0.1", "network.features=[4,8]", "seed=3", "name=a b", "trust=[mine]"),
    "predict": ("run=x", "input=x", "output=y", "device=cpu", "export=[nifti]", "postprocessing.rules={}"),
    "evaluate": ("predictions=x", "references=y", "output=z", "metrics.compute=[dice,hd95]"),
    "tune": (*TRAIN, "training.fold=0", "sweep=typed", "seed=1,2"),
}
DATA = """# mine
defaults: [paired]
name: mine
root: x
channels: {CT: ct}
labels: {background: 0, foreground: 1, right: 2}
mirrored: [[foreground, right]]
"""
EXPERIMENT = """# @package _global_
defaults:
  - override /network: unet
training: {steps: 7, budget: null}
seed: 4
"""
NETWORK = "_target_: segkit.networks.UNet\nfeatures: [4, 8]\nblock: plain\n"
OWN = {"data/mine.yaml": DATA, "experiment/mine.yaml": EXPERIMENT, "network/mine.yaml": NETWORK}


def typed_seeds(root: Path) -> None:
    """The words of some commands, one a line; the folder's name says which."""
    for command, words in TYPED.items():
        (seed_folder(root, command) / "words.txt").write_text("\n".join(words))


def open_typed(folder: Path) -> None:
    """Compose and check what is typed, as the command line does before anything starts."""
    from segkit.config.compose import configure

    content = (folder / "words.txt").read_bytes().replace(b"\0", b"")  # no shell hands over a zero byte
    configure(folder.name, [os.fsdecode(word) for word in content.split(b"\n")])


def own_seeds(root: Path) -> None:
    """A folder of a user's own configs."""
    folder = seed_folder(root, "own")
    for name, text in OWN.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def open_own(folder: Path) -> None:
    """Compose with configs of one's own, and say what they offer."""
    from segkit.config.compose import configure
    from segkit.config.groups import config_sources
    from segkit.config.help import command_text

    command_text(config_sources([folder]), "train", [])
    words = ["data=mine", "experiment=mine", "network=mine"]
    configure("train", words, config_dirs=[folder])


def recorded_seeds(root: Path) -> None:
    """The config that a run recorded."""
    from segkit.config.compose import configure
    from segkit.foundation.files import write_yaml

    words = ["data=paired", f"data.root={root}", "data.labels={background: 0, liver: 1}", "training.steps=5"]
    write_yaml(seed_folder(root, "run") / "config.yaml", asdict(configure("train", words)))


def open_recorded(folder: Path) -> None:
    """Take a stranger's config as far as `segkit train resume=RUN` does before it builds anything."""
    from segkit.config.recorded import load_config
    from segkit.training.building import check_strangers_config

    check_strangers_config(load_config("train", folder / "config.yaml"))


CONFIGS: tuple[Reader, ...] = (
    Reader("typed", typed_seeds, open_typed, share=0.3, names_files=False),
    Reader("own_configs", own_seeds, open_own, share=0.05, names_files=False),
    Reader("recorded_config", recorded_seeds, open_recorded, names_files=False),
)
