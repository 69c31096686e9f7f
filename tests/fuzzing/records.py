"""Tables, models, checkpoints and runs: seeds, and how they are opened."""

from dataclasses import asdict
from pathlib import Path

from tests.fuzzing.reader import seed_folder
from tests.fuzzing.volumes import only_file


def table_seeds(root: Path) -> None:
    """Commas, semicolons, tabs and Parquet."""
    import pyarrow
    from pyarrow.parquet import write_table

    rows = ["case,CT,reference,patient", "a,images/a.nii.gz,labels/a.nii.gz,p1", 'b,"images/b 1.nii.gz",,p2']
    (seed_folder(root, "commas") / "cases.csv").write_text("\n".join(rows))
    (seed_folder(root, "semicolons") / "cases.csv").write_text("\n".join(rows).replace(",", ";"))
    (seed_folder(root, "tabs") / "cases.tsv").write_text("\n".join(rows).replace(",", "\t"))
    columns = {"case": ["a", "b"], "CT": ["a.nii.gz", "b.nii.gz"], "reference": ["x.nii.gz", None], "age": [1.5, 2.0]}
    write_table(pyarrow.table(columns), seed_folder(root, "parquet") / "cases.parquet")


def open_table(folder: Path) -> None:
    """List the cases of a table, and read it as further columns."""
    from segkit.datasets.case import Case
    from segkit.datasets.columns import with_columns
    from segkit.datasets.table import Table

    path = only_file(folder)
    cases = Table(str(path)).cases(["CT"])
    if path.suffix == ".csv":
        with_columns([Case(case.name, {}, None, {}) for case in cases], str(path))


def description_seeds(root: Path) -> None:
    """The Decathlon's and nnU-Net's `dataset.json`."""
    decathlon = (
        '{"name": "x", "modality": {"0": "CT", "1": "T1"}, "labels": {"0": "background", "1": "liver"},\n'
        '"training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}],\n'
        '"test": ["./imagesTs/b.nii.gz"]}'
    )
    (seed_folder(root, "decathlon") / "dataset.json").write_text(decathlon)
    nnunet = (
        '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "whole": [1, 2], "core": 2},\n'
        '"file_ending": ".nii.gz",\n'
        '"regions_class_order": [1, 2], "numTraining": 1,\n'
        '"dataset": {"a": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}}}'
    )
    (seed_folder(root, "nnunet") / "dataset.json").write_text(nnunet)


def open_description(folder: Path) -> None:
    """Describe a data set and list its cases, as both layouts do."""
    from segkit.datasets.decathlon import Decathlon
    from segkit.datasets.nnunet import NnUNetRaw

    layout = NnUNetRaw(str(folder)) if folder.name.startswith("nnunet") else Decathlon(str(folder))
    described = layout.describe()
    layout.cases(list(described.channels or {}))


def a_model(folder: Path) -> None:
    """Write a model of random weights."""
    from segkit.config.plan import Normalisation, Plan
    from segkit.networks.building import initial_network, network_arguments
    from segkit.runs.model_file import ModelRecord, write_model

    plan = Plan(
        3, "RAS", (1.0, 1.0, 1.0), (16, 16, 16), 1, ((1,) * 3, (2,) * 3), ((3,) * 3,) * 2,
        {"CT": Normalisation("zscore")}, order=1,
    )  # fmt: skip
    options = {"_target_": "segkit.networks.UNet", "features": [4, 8]}
    network = network_arguments(options, plan, out_channels=3)
    labels = {"background": 0, "left": 3, "right": 7}
    rules = {"left": {"keep_largest": True}}
    record = ModelRecord("x", labels, [["left", "right"]], [0], plan, network, "0.1.0", postprocessing=rules)
    write_model(folder, record, initial_network(network, 0).state_dict())


def package_seeds(root: Path) -> None:
    """A packaged model."""
    from segkit.runs.package import write_package

    a_model(root.parent / "model_of_package")
    write_package(seed_folder(root, "package") / "model.segkit", [root.parent / "model_of_package"], "# A model\n")


def model_seeds(root: Path) -> None:
    """The model folder of a run."""
    a_model(root / "model")


def open_model(folder: Path) -> None:
    """Load a model as `segkit predict` does."""
    from segkit.inference.model import load

    package = folder / "model.segkit"
    load(package if package.exists() else folder, device="cpu")


def checkpoint_seeds(root: Path) -> None:
    """A checkpoint as training writes it, and weights as safetensors."""
    import torch
    from safetensors.torch import save_file

    weights = {"a.weight": torch.arange(40.0), "a.bias": torch.zeros(3)}
    held = {"state_dict": weights, "epoch": 1, "global_step": 7, "loops": {"x": [1, 2]}}
    torch.save(held, seed_folder(root, "checkpoint") / "last.ckpt")
    save_file(weights, seed_folder(root, "weights") / "last.safetensors")


def open_checkpoint(folder: Path) -> None:
    """Take the weights for a training that starts from them."""
    from segkit.training.outside_weights import weights_at

    weights_at(only_file(folder))


def run_seeds(root: Path) -> None:
    """What a run records of itself."""
    from segkit.config.compose import configure
    from segkit.foundation.files import write_json, write_text, write_yaml

    folder = seed_folder(root, "run")
    words = ["data=paired", f"data.root={root}", "data.labels={background: 0, liver: 1}", "training.steps=5"]
    write_yaml(folder / "config.yaml", asdict(configure("train", words)))
    write_yaml(folder / "overrides.yaml", words)
    a_model(root.parent / "model_of_run")
    from segkit.runs.model_file import read_record

    write_yaml(folder / "plan.yaml", asdict(read_record(root.parent / "model_of_run").plan))
    write_json(folder / "split.json", {"training": ["a", "b"], "validation": ["c"], "held_out": []})
    write_json(folder / "status.json", {"state": "finished", "steps": 5, "seconds": 2.0})
    write_text(folder / "metrics.csv", "step,seconds,loss\n1,0.1,0.9\n2,0.2,0.8\n")
    entry = {
        "mask": "a.nii.gz",
        "key": "1",
        "scan": "2",
        "seconds": 1.0,
        "volumes": {"liver": 1.0},
        "files": {"nifti": "a.nii.gz"},
    }
    write_json(
        folder / "predictions.json", {"labels": {"background": 0, "liver": 1}, "weights": ["x"], "cases": {"a": entry}}
    )
    write_json(folder / "ensemble.json", {"study": ".", "members": ["a"], "postprocessing": {}, "dice": 0.5})
    write_json(
        folder / "study.json", {"trials": [{"name": "a", "state": "finished", "overrides": ["seed=1"]}], "command": {}}
    )
    rows = "case,label,metric,value\na,liver,dice,0.9\nb,liver,dice,0.8\n"
    write_text(folder / "cases.csv", rows)
    write_json(
        folder / "summary.json", {"labels": {"liver": {"dice": {"mean": 0.85}}}, "mean": {"dice": {"mean": 0.85}}}
    )


def open_run(folder: Path) -> None:
    """Read each record of a run; the first that is refused ends it, as in a command."""
    from segkit.config.plan import plan_from
    from segkit.config.recorded import load_config, recorded_overrides
    from segkit.datasets.splits import split_from
    from segkit.foundation.strangers import load_json, load_yaml
    from segkit.runs.ensemble import read_ensemble
    from segkit.runs.folder import RunFolder
    from segkit.runs.manifest import read_manifest
    from segkit.studies.runs import found_run, runs_in
    from segkit.studies.saved import read_evaluation
    from segkit.studies.study import read_study

    run = RunFolder(folder)
    load_config("train", run.config)
    recorded_overrides(run.config)
    plan_from(load_yaml(run.plan), where=str(run.plan))
    split_from(load_json(run.split), where=str(run.split))
    run.is_finished  # noqa: B018  (a property that reads status.json)
    manifest = read_manifest(folder)
    for name in manifest.cases:
        manifest.mask(folder, name)
    for trial in read_ensemble(folder).members:
        assert trial.parent.samefile(folder)
    read_study(folder)
    for found in runs_in(folder):
        assert found.folder.path.parent == folder
    found_run(folder)
    read_evaluation(folder)
