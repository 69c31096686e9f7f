"""Composition: what is typed, what conf/ holds, and what comes out."""

from pathlib import Path

import pytest
import yaml

from segkit.config.compose import compose, composed_yaml, configure
from segkit.config.groups import choices, conf_folder, config_sources
from segkit.foundation.errors import UsageError

SOURCES = config_sources()
TRAIN = ["data=paired", "data.root=cohort", "training.steps=10"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(command: str, *words: str, **options: object) -> str:
    with pytest.raises(UsageError) as caught:
        configure(command, words, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("experiment", ["null", *choices(SOURCES, "experiment")])
@pytest.mark.parametrize("data", choices(SOURCES, "data"))
def test_every_data_set_composes_with_every_experiment(data, experiment):
    length = ["training.steps=1", "training.budget=null"]
    config = configure("train", [f"data={data}", "data.root=/x", f"experiment={experiment}", *length])
    assert config.data.name == config.name == data
    assert configure("prepare", [f"data={data}", "data.root=/x", f"experiment={experiment}"]).plan == config.plan


NOT_OF_TRAINING = ("data", "experiment", "dicom", "objects", "pacs", "postprocessing", "scores", "sweep")


@pytest.mark.parametrize(
    ("group", "choice"),
    [
        (group.name, choice)
        for group in sorted(conf_folder().iterdir())
        if group.is_dir() and group.name not in NOT_OF_TRAINING
        for choice in choices(SOURCES, group.name)
    ],
)
def test_every_choice_composes(group, choice):
    assert configure("train", [*TRAIN, f"{group}={choice}"]).data.name == "paired"


@pytest.mark.parametrize("choice", choices(SOURCES, "sweep"))
def test_every_sweep_composes(choice):
    ranges = ["seed=1,2"] if choice == "typed" else []
    assert configure("tune", [*TRAIN, "training.fold=0", f"sweep={choice}", *ranges]).sweep.space


@pytest.mark.parametrize("choice", choices(SOURCES, "dicom"))
def test_every_way_to_read_dicom_composes(choice):
    (Path.cwd() / "ct").mkdir()
    assert configure("convert", ["input=ct", "output=x.nii", f"dicom={choice}"]).dicom.gaps in ("refuse", "resample")


@pytest.mark.parametrize("choice", choices(SOURCES, "pacs"))
def test_every_way_to_ask_a_pacs_composes(choice):
    address = "dicomweb://localhost:8042/dicom-web"
    config = configure("predict", ["run=R", f"input={address}/studies/1.2", f"output={address}", f"pacs={choice}"])
    assert Path(config.pacs.folder).is_absolute()
    assert config.pacs.attempts > 1


@pytest.mark.parametrize("choice", choices(SOURCES, "postprocessing"))
def test_every_postprocessing_composes(choice):
    words = ["run=r", "input=i", "output=o", f"postprocessing={choice}"]
    assert configure("predict", words).postprocessing.learnt is (choice == "learnt")
    rules = "postprocessing.rules={liver: {keep_largest: true, smallest_mm3: 100}}"
    assert configure("predict", [*words, rules]).postprocessing.rules["liver"]["smallest_mm3"] == 100


@pytest.mark.parametrize("path", sorted(conf_folder().rglob("*.yaml")), ids=lambda path: path.name)
def test_every_yaml_begins_with_a_comment(path):
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_paths_are_absolute_and_built_on_one_another(folder):
    config = configure("train", TRAIN)
    assert config.data.root == f"{folder}/cohort"
    assert config.data.layout["images"] == f"{folder}/cohort/images"
    assert config.paths.runs == f"{folder}/runs"
    assert config.paths.cache == str(Path.home() / ".cache/segkit")
    assert config.output is None
    assert Path.cwd() == folder


@pytest.mark.parametrize("name", ["DOE^JOHN (1) ü=~&", "a,b", "${oc.env:HOME}", "{x: [1]}", "back\\${slash"])
def test_odd_paths_arrive_unchanged_everywhere(folder, name):
    config = configure("train", ["data=phantom_ct", f"data.root={name}", f"output={name}", "training.steps=10"])
    assert config.data.root == config.output == f"{folder}/{name}"
    assert config.data.layout["root"] == f"{folder}/{name}"
    assert config.data.split.held_out == f"{folder}/{name}/held_out.txt"


def test_the_cache_follows_its_environment_variable(monkeypatch):
    monkeypatch.setenv("SEGKIT_CACHE", "/fast/${x}, (1)")
    assert configure("train", TRAIN).paths.cache == "/fast/${x}, (1)"
    assert configure("train", [*TRAIN, "paths.cache=/typed"]).paths.cache == "/typed"


def test_an_experiment_sets_values_and_what_is_typed_wins():
    words = ["data=paired", "data.root=/x", "experiment=hippocampus_cpu"]
    assert configure("train", words).training.budget == "10min"
    config = configure("train", [*words, "training.budget=1h", "network=unet", "network.features=[8,16]"])
    assert (config.training.budget, config.network["block"], config.network["features"]) == ("1h", "plain", [8, 16])


def test_labels_typed_anew_replace_those_of_the_data_set():
    config = configure("train", [*TRAIN, "data.labels={background: 0, tumour: 1}", "data.channels={T1: mr}"])
    assert config.data.labels == {"background": 0, "tumour": 1}
    assert config.data.channels == {"T1": "mr"}


def test_numbers_become_text_where_text_is_asked_for():
    config = configure("train", [*TRAIN, "training.precision=32", "training.fold=0", "training.ema=0"])
    assert (config.training.precision, config.training.fold, config.training.ema) == ("32", "0", 0.0)


def test_members_of_lists_and_added_keys():
    config = configure("train", [*TRAIN, "augmentation.transforms.0.rotate=0.9", "+optimizer.betas=[0.9,0.99]"])
    assert config.augmentation.transforms[0]["rotate"] == 0.9
    assert config.optimizer["betas"] == [0.9, 0.99]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "data is not chosen: pass data=NAME; choices: bids, dicom_tree, em_membranes, hippocampus, "),
        (["data=hipocampus"], "data=hipocampus: there is no data of that name; did you mean hippocampus? choices: "),
        (["data=null"], "data=null: there is no data of that name; choices: "),
        (["network=unett"], "network=unett: there is no network of that name; did you mean unet? choices: "),
        (["experiment=nope"], "experiment=nope: there is no experiment of that name; choices: "),
        (["data=paired"], "data.root is not set: pass data.root=DIR"),
        (["training.budgt=5min"], "training.budgt is not a key; did you mean training.budget? training has budget, "),
        (["training.budget=soon"], "training.budget: 'soon' is not a duration: write e.g. 90s, 10min, 2h or 1h30min"),
        (["training.validate_every=often"], "training.validate_every: 'often' is not a duration"),
        (["training.steps=many"], "training.steps: many is not an integer or null"),
        (["training.steps=1.5"], "training.steps: 1.5 is not an integer or null"),
        (["training.steps=0"], "training.steps: 0 is not at least 1"),
        (["training.precision=16"], "training.precision: 16 is not one of auto, bf16, 32"),
        (["plan.batch=[1]"], "plan.batch: [1] is not an integer"),
        (["plan.dims=4"], "plan.dims: 4 is not between 2 and 3"),
        (["training={stes: 1}"], "training.stes is not a key; did you mean training.steps?"),
        (["+training.foo=1"], "training.foo is not a key"),
        (["network.features=[1"], "network.features=[1 does not follow the key=value grammar: "),
        (["training.steps=1,2"], "training.steps=1,2 has several values: add -m"),
        (["hydra.run.dir=x"], "hydra.run.dir=x: segkit has no use for Hydra's own settings"),
        (["data@x=paired"], "data@x=paired: a group cannot be moved"),
        (["hippocampus"], "hippocampus is not key=value"),
        (["=3"], "=3 is not key=value"),
    ],
)
def test_mistakes_that_are_found_whatever_else_is_missing(words, message):
    assert refusal("train", *words).startswith(message)


def test_a_value_that_the_shell_cut_in_two_is_known_by_its_brackets():
    cut = refusal("train", *TRAIN, "data.labels={background:", "0,", "tumour:", "1}")
    assert cut.endswith("at a space the shell begins a new word, so quote it whole: 'data.labels=...'")
    assert "in quotes inside quotes" in refusal("train", *TRAIN, "name=a:{}b,")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("network.featurs=[1]", "network.featurs is not a key; did you mean network.features? network has _target_, "),
        ("network.features=[a]", "network.features: [a] is not a list of integers"),
        ("+network.foo=1", "network.foo is not a parameter of segkit.networks.UNet; it takes features, block, "),
        ("name=${nme}", "name: Interpolation key 'nme' not found"),
        ("~network", "network is not chosen: pass network=NAME; choices: attention_unet, compact_unet, dense_unet"),
        ("~training.steps", "training.steps is not set: pass training.steps=VALUE"),
        ("training=5", "training=5: there is no training of that name; choices: standard"),
        ("+seed=2", "Could not append to config. An item is already at 'seed'."),
    ],
)
def test_mistakes_that_show_once_composed(word, message):
    assert refusal("train", *TRAIN, word).startswith(message)


def test_an_unknown_command():
    assert refusal("trian") == (
        "trian is not a command; did you mean train? commands: check, inspect, prepare, train, tune, predict, "
        "evaluate, compare, report, package, measure, convert, cache, demo"
    )


@pytest.fixture
def mine(folder):
    (folder / "mine" / "data").mkdir(parents=True)
    (folder / "mine" / "network").mkdir()
    (folder / "mine" / "data" / "lungs.yaml").write_text(
        "# Lungs.\ndefaults:\n  - paired\n  - _self_\nname: lungs\nroot: lungs/raw\n"
    )
    (folder / "mine" / "network" / "unet.yaml").write_text("# Mine.\n_target_: segkit.networks.UNet\nfeatures: [8]\n")
    return folder / "mine"


def test_the_users_own_conf_wins(mine, folder):
    config = configure("train", ["data=lungs", "training.steps=1"], config_dirs=["mine"])
    assert config.data.root == f"{folder}/lungs/raw"
    assert config.data.layout["references"] == f"{folder}/lungs/raw/labels"
    assert config.network == {"_target_": "segkit.networks.UNet", "features": [8]}
    assert "em_membranes, hippocampus, lungs, msd" in refusal("train", "data=x", config_dirs=[mine])


@pytest.mark.parametrize(
    ("labels", "channels", "expected"),
    [
        ("{background: 0, left: 1}", "{CT: ct}", ({"background": 0, "left": 1}, {"CT": "ct"})),
        ("null", "null", (None, None)),
        ("${data.columns}", "???", (None, {"image": "mr"})),
    ],
)
def test_labels_of_a_yaml_replace_those_of_the_data_set_that_it_builds_on(mine, labels, channels, expected):
    with (mine / "data" / "lungs.yaml").open("a") as file:
        file.write(f"labels: {labels}\nchannels: {channels}\n")
    config = configure("check", ["data=lungs"], config_dirs=[mine])
    assert (config.data.labels, config.data.channels) == expected


def test_one_label_of_a_yaml_can_be_typed_and_an_experiments_replace_them_all(mine):
    with (mine / "data" / "lungs.yaml").open("a") as file:
        file.write("labels: {background: 0, left: 1}\n")
    words = ["data=lungs", "training.steps=1"]
    typed = configure("train", [*words, "data.labels.left=5"], config_dirs=[mine])
    assert typed.data.labels == {"background": 0, "left": 5}
    (mine / "experiment").mkdir()
    (mine / "experiment" / "whole.yaml").write_text(
        "# @package _global_\n# W.\ndata:\n  labels: {background: 0, lung: 2}\n"
    )
    whole = configure("train", [*words, "experiment=whole"], config_dirs=[mine])
    assert whole.data.labels == {"background": 0, "lung": 2}


def test_mistakes_in_the_users_own_conf(mine):
    assert "there is no folder nowhere" in refusal("train", *TRAIN, config_dirs=["nowhere"])
    (mine / "data" / "bad.yaml").write_text("# Bad.\nname: [\n")
    assert "bad.yaml" in refusal("train", "data=bad", config_dirs=[mine])
    (mine / "data" / "typo.yaml").write_text("# Typo.\ndefaults: [paired, _self_]\nmirored: []\n")
    message = refusal("train", "data=typo", "data.root=x", config_dirs=[mine])
    assert message.startswith("data.mirored is not a key; did you mean data.mirrored?")
    (mine / "data" / "gone.yaml").write_text("# Gone.\ndefaults: [pared, _self_]\n")
    assert "pared" in refusal("train", "data=gone", config_dirs=[mine])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# No root.\nname: lungs\n", "data.root is not set"),
        ("# A list.\n- name: lungs\n", "'name'"),
        ("# Deep.\ndefaults: [paired, _self_]\nlabels: " + "[" * 3000 + "]" * 3000, "nested too deeply"),
        ("# Deep.\ndefaults: [paired, _self_]\nlabels: " + "{a: " * 300 + "}" * 300, "nested too deeply"),
    ],
)
def test_a_data_sets_yaml_of_another_form_is_refused_in_a_line(mine, text, message):
    (mine / "data" / "lungs.yaml").write_text(text)
    assert message in refusal("train", "data=lungs", "training.steps=1", config_dirs=[mine])


def test_a_folder_of_configs_may_have_any_name(folder, mine):
    odd = folder / "DOE^JOHN (1) 'ü'=~&, ${x}"
    mine.rename(odd)
    assert configure("train", ["data=lungs", "training.steps=1"], config_dirs=[odd]).network["features"] == [8]
    both = configure("train", ["data=lungs", "training.steps=1"], config_dirs=[folder, odd])
    assert both.network["features"] == [8]


def test_the_composed_yaml_is_resolved_as_far_as_it_can_be(folder):
    assert yaml.safe_load(composed_yaml("train", TRAIN))["data"]["layout"]["images"] == f"{folder}/cohort/images"
    assert yaml.safe_load(composed_yaml("train", ["data=paired"]))["data"]["root"] == "???"


def test_compose_gives_hydras_config():
    config = compose("train", TRAIN)
    assert config.training.steps == 10
    assert "hydra" not in config


def test_several_runs_and_tables_of_prediction(folder):
    (folder / "r1").mkdir()
    (folder / "r2").mkdir()
    assert configure("predict", ["run=r*", "input=x", "output=y"]).run == [f"{folder}/r1", f"{folder}/r2"]
    scored = configure("evaluate", ["predictions=p", "references=r", "output=o", "labels={liver: 1}"])
    assert scored.labels == {"liver": 1}


def test_an_experiment_may_say_what_training_alone_needs(mine):
    (mine / "experiment").mkdir()
    (mine / "experiment" / "full.yaml").write_text(
        "# @package _global_\n# All.\ndefaults:\n  - override /optimizer: sgd\nseed: 3\nplan: {batch: 3}\nname: full\n"
    )
    words = ["data=paired", "data.root=x", "experiment=full"]
    assert configure("prepare", words, config_dirs=[mine]).plan.batch == 3
    assert configure("train", [*words, "training.steps=1"], config_dirs=[mine]).optimizer["momentum"] == 0.99
    assert refusal("prepare", "seed=3").startswith("seed is not a key")


def test_a_growing_augmentation_is_a_light_one_and_for_long_trainings_a_strong_one():
    light, strong, growing = (
        configure("train", [*TRAIN, f"augmentation={name}"]).augmentation for name in ("light", "strong", "growing")
    )
    assert (light.long, strong.long) == (None, None)
    assert growing.of(long=False).transforms == light.transforms
    assert growing.of(long=True).transforms == strong.transforms == strong.of(long=True).transforms
    assert growing.of(long=True).mirror == 0
