"""Every door for files of others: seeds that it takes, and how it is opened.

A seed is a small folder of files; one of those that `damages` names is damaged, the others stay as they are.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from segkit.volumes.grid import Grid, affine_from
from segkit.volumes.reading import read, read_grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write


@dataclass(frozen=True)
class Reader:
    """A door.

    Attributes:
        name: of it.
        seeds: makes the seeds as folders below the one it is given.
        opens: opens a folder that looks like a seed; returns the bytes of voxels that came back.
        damages: patterns of the names of files that are damaged.
        share: of the usual number of tries, for readers that are slow.
        names_files: whether a refusal names the file; configs name the key instead.
    """

    name: str
    seeds: Callable[[Path], None]
    opens: Callable[[Path], int | None]
    damages: Sequence[str] = ("*",)
    share: float = 1.0
    names_files: bool = True

    def damaged_files(self, seed: Path) -> list[str]:
        """Return the files of a seed that are damaged, relative to it."""
        files = sorted(path.relative_to(seed).as_posix() for path in seed.rglob("*") if path.is_file())
        return [name for name in files if any(fnmatch(Path(name).name, pattern) for pattern in self.damages)]


def voxels(shape: tuple[int, ...] = (1, 7, 6, 5), kind: str = "int16") -> np.ndarray:
    """Return voxels that compress a little."""
    return (np.arange(np.prod(shape)).reshape(shape) % 97).astype(kind)


def scan(shape: tuple[int, ...] = (1, 7, 6, 5), kind: str = "int16") -> Volume:
    """Return a volume of 1 x 2 x 3 mm."""
    return Volume(voxels(shape, kind), Grid(shape[1:], affine_from((1.0, 2.0, 3.0)[: len(shape) - 1] or (1.0,))))


def only_file(folder: Path, *suffixes: str) -> Path:
    """Return the file of a folder that a reader is handed."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return next((path for path in files if path.name.endswith(suffixes)), files[0])


def open_volume(*suffixes: str) -> Callable[[Path], int]:
    """Return a function that reads the grid and the volume of a folder's file."""

    def opens(folder: Path) -> int:
        path = only_file(folder, *suffixes)
        read_grid(path)
        volume = read(path)
        assert volume.array.shape[1:] == volume.grid.shape
        return volume.array.nbytes

    return opens


def seed_folder(root: Path, name: str) -> Path:
    """Return a new folder of a seed."""
    (root / name).mkdir(parents=True)
    return root / name


def nifti_seeds(root: Path) -> None:
    """A single file, gzipped, scaled, 4D, RGB, version 2, and a pair."""
    import nibabel as nib

    write(scan(), seed_folder(root, "plain") / "scan.nii")
    write(scan(), seed_folder(root, "packed") / "scan.nii.gz")
    write(scan((3, 5, 4, 3), "float32"), seed_folder(root, "channels") / "scan.nii.gz")
    write(scan((3, 5, 4), "uint8"), seed_folder(root, "colour") / "scan.nii")
    scaled = nib.Nifti1Image(voxels()[0], np.diag([1, 2, 3, 1]))
    scaled.header.set_slope_inter(0.5, 3)
    nib.save(scaled, seed_folder(root, "scaled") / "scan.nii.gz")
    nib.save(nib.Nifti2Image(voxels()[0], np.eye(4)), seed_folder(root, "second") / "scan.nii")
    nib.save(nib.Nifti1Pair(voxels()[0], np.eye(4)), seed_folder(root, "pair") / "scan.hdr")


def nrrd_seeds(root: Path) -> None:
    """Raw, gzipped, bzip2, ASCII, with a detached file."""
    import nrrd

    write(scan(), seed_folder(root, "own") / "scan.nrrd")
    for encoding in ("raw", "gzip", "bzip2", "ascii"):
        nrrd.write(
            str(seed_folder(root, encoding) / "scan.nrrd"), voxels()[0],
            {"encoding": encoding, "space": "left-posterior-superior", "space directions": np.diag([1, 2, 3])},
        )  # fmt: skip
    nrrd.write(str(seed_folder(root, "apart") / "scan.nhdr"), voxels()[0], {"encoding": "raw"})


def metaimage_seeds(root: Path) -> None:
    """Compressed, ASCII, raw beside its header."""
    write(scan(), seed_folder(root, "own") / "scan.mha")
    head = (
        "ObjectType = Image\nNDims = 3\nBinaryData = {}\nDimSize = 7 6 5\nElementSpacing = 1 2 3\n"
        "ElementType = MET_SHORT\n"
    )
    text = " ".join(map(str, voxels()[0].ravel(order="F")))
    (seed_folder(root, "text") / "scan.mha").write_text(head.format("False") + "ElementDataFile = LOCAL\n" + text)
    apart = seed_folder(root, "apart")
    (apart / "scan.mhd").write_text(head.format("True") + "ElementDataFile = scan.raw\n")
    (apart / "scan.raw").write_bytes(voxels()[0].tobytes(order="F"))


def picture_seeds(root: Path) -> None:
    """Grey, colours, 16 bits, a palette; PNG, JPEG, GIF and BMP."""
    from PIL import Image

    grey = Image.fromarray(voxels((9, 8), "uint8"))
    colours = Image.fromarray(voxels((9, 8, 3), "uint8"))
    for name in ("png", "jpg", "gif", "bmp"):
        grey.save(seed_folder(root, f"grey_{name}") / f"scan.{name}")
        colours.save(seed_folder(root, f"colours_{name}") / f"scan.{name}")
    Image.fromarray(voxels((9, 8), "uint16")).save(seed_folder(root, "deep") / "scan.png")
    colours.quantize(8).save(seed_folder(root, "palette") / "scan.png")


def tiff_seeds(root: Path) -> None:
    """Our own, plain pages, tiles, ImageJ's and OME's."""
    import tifffile

    write(scan(), seed_folder(root, "own") / "scan.tif")
    write(scan((3, 9, 8), "uint8"), seed_folder(root, "colour") / "scan.tif")
    pages = voxels((5, 9, 8), "uint16")
    tifffile.imwrite(seed_folder(root, "pages") / "scan.tif", pages)
    tifffile.imwrite(
        seed_folder(root, "tiles") / "scan.tif", voxels((32, 32), "uint8"), tile=(16, 16), compression="zlib"
    )
    tifffile.imwrite(
        seed_folder(root, "imagej") / "scan.tif", pages, imagej=True, metadata={"unit": "mm", "spacing": 3}
    )
    tifffile.imwrite(seed_folder(root, "ome") / "scan.ome.tif", pages, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5})


def numpy_seeds(root: Path) -> None:
    """2D, 3D and 4D, in both orders, and one of objects."""
    np.save(seed_folder(root, "plane") / "scan.npy", voxels((5, 4)))
    np.save(seed_folder(root, "fortran") / "scan.npy", np.asfortranarray(voxels((5, 4, 3), "float32")))
    np.save(seed_folder(root, "channels") / "scan.npy", voxels((2, 5, 4, 3)))
    np.save(seed_folder(root, "objects") / "scan.npy", np.array([{"a": 1}] * 4, dtype=object))


def dicom_series(folder: Path, slices: int = 3) -> Path:
    """Write a small CT series and return its folder."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(slices):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = CTImageStorage, f"1.2.3.9.{index + 1}"
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = "1", "Doe^Jane", "", "O"
        one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20260101", "080000", "1", ""
        one.ReferringPhysicianName, one.Modality, one.SeriesNumber, one.InstanceNumber = "", "CT", 1, index + 1
        one.ImageType, one.PixelSpacing, one.SliceThickness = ["ORIGINAL", "PRIMARY", "AXIAL"], [2.0, 1.0], 3.0
        one.ImageOrientationPatient, one.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 3.0 * index]
        one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = 8, 9, 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.RescaleSlope, one.RescaleIntercept = 1, -1000
        one.PixelData = voxels((8, 9), "uint16").tobytes()
        one.save_as(folder / f"{index}.dcm", enforce_file_format=True)
    return folder


def dicom_seeds(root: Path) -> None:
    """A series, one that is deflated, one that is packed as RLE, and one in a zip."""
    from pydicom import dcmread
    from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

    dicom_series(root / "series")
    for path in dicom_series(root / "deflated").iterdir():
        header = dcmread(path)
        header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        header.save_as(path, enforce_file_format=True)
    for path in dicom_series(root / "packed").iterdir():
        header = dcmread(path)
        header.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        header.save_as(path, enforce_file_format=True)
    shutil.make_archive(str(seed_folder(root, "zip") / "scan"), "zip", root / "series")


def open_series(folder: Path) -> int:
    """Read the series of a folder, or of the zip in it."""
    zipped = folder / "scan.zip"
    path = zipped if zipped.exists() else folder
    read_grid(path)
    return read(path).array.nbytes


def drawn_seeds(kind: str) -> Callable[[Path], None]:
    """Return a function that writes segments in a DICOM object beside their series."""

    def seeds(root: Path) -> None:
        from segkit.config.labels import labels_from
        from segkit.inference.exporters import Segmented, exporters, standard_objects
        from segkit.volumes.dicom.derived.mask import Author

        options = standard_objects()
        kinds = {"binary": options}
        if kind == "dicom_seg":
            kinds["labelmap"] = replace(options, segmentation="labelmap")
            kinds["packed"] = replace(options, segmentation="labelmap", compression="rle")
        for name, chosen in kinds.items():
            series = dicom_series(root / name / "series")
            image = read(series)
            mask = np.zeros(image.grid.shape, np.uint8)
            mask[2:6, 2:6], mask[6:8, 1:3] = 1, 2
            labels = labels_from({"background": 0, "liver": 1, "spleen": 2}, [])
            made = Segmented(mask, labels, image, Author("model", "1"), chosen)
            exporters()[kind].write(made, root / name / "drawn.dcm")

    return seeds


def open_drawn(folder: Path) -> int:
    """Draw all segments on the series, and read a SEG by itself."""
    from segkit.foundation.errors import SegkitError
    from segkit.volumes.dicom.references import drawn_on
    from segkit.volumes.dicom.selection import DEFAULTS

    try:
        alone = read(folder / "drawn.dcm").array.nbytes
    except SegkitError:
        alone = 0  # structure sets have no grid of their own; what is wrong beside that is said below
    return alone + drawn_on(folder / "drawn.dcm", folder / "series", DEFAULTS).read().array.nbytes


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
    from segkit.studies.runs import found_run, runs_of
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
    for found in runs_of(folder):
        assert found.folder.path.parent == folder
    found_run(folder)
    read_evaluation(folder)


READERS: tuple[Reader, ...] = (
    Reader("nifti", nifti_seeds, open_volume(".nii", ".nii.gz", ".hdr")),
    Reader("nrrd", nrrd_seeds, open_volume(".nrrd", ".nhdr")),
    Reader("metaimage", metaimage_seeds, open_volume(".mha", ".mhd")),
    Reader("picture", picture_seeds, open_volume()),
    Reader("tiff", tiff_seeds, open_volume()),
    Reader("numpy", numpy_seeds, open_volume()),
    Reader("dicom_series", dicom_seeds, open_series),
    Reader("dicom_seg", drawn_seeds("dicom_seg"), open_drawn, ("drawn.dcm",), share=0.5),
    Reader("rtstruct", drawn_seeds("rtstruct"), open_drawn, ("drawn.dcm",), share=0.5),
    Reader("table", table_seeds, open_table),
    Reader("dataset_json", description_seeds, open_description),
    Reader("package", package_seeds, open_model, share=0.5),
    Reader("model", model_seeds, open_model, share=0.5),
    Reader("checkpoint", checkpoint_seeds, open_checkpoint),
    Reader("run", run_seeds, open_run, share=0.5),
)
