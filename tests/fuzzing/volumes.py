"""Volumes of every format: seeds, and how they are opened."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from segkit.volumes.grid import Grid, affine_from
from segkit.volumes.reading import read, read_grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write
from tests.fuzzing.reader import seed_folder


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
