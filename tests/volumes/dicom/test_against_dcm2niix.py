"""Every volume that dcm2niix makes of the real archive is ours too, voxels and affine; where not, tables say why."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.files import DicomFile, is_dicom
from segkit.volumes.dicom.selection import DEFAULTS, SeriesSelection
from segkit.volumes.dicom.series import find_series
from segkit.volumes.dicom.stacks import is_even
from segkit.volumes.reading import read

SAME_MM = 1e-3
SAME_FLOAT = 1e-6  # of the largest value
DCM2NIIX_FLOAT = 3e-5  # its own rounding, where it takes a slope as the difference of two large float32 numbers

SERIES = (
    "dcm_qa_agfa/Agfa",
    "dcm_qa_agfa/Siemens",
    "dcm_qa_enh/In/Siemens/XA10",
    "dcm_qa_me/In/2_me_FieldMap_GRE",
    "dcm_qa_me/In/3_me_FieldMap_GRE",
    "dcm_qa_me/In/4_me_fMRI",
    "dcm_qa_ts/In",
    "dicom2nifti/anatomical/001",
    "dicom2nifti/anatomical/001_implicit",
    "dicom2nifti/failing/slicecount/001",
    "dicom2nifti/failing/sliceorientation/001",
    "dicom2nifti/ge/anatomical/001",
    "dicom2nifti/ge/anatomical/001_implicit",
    "dicom2nifti/ge/anatomical/001_single_slice",
    "dicom2nifti/ge/dti/001",
    "dicom2nifti/ge/dti/001_implicit",
    "dicom2nifti/ge/dti/002",
    "dicom2nifti/ge/fmri/001",
    "dicom2nifti/ge/fmri/001_implicit",
    "dicom2nifti/generic/anatomical/001",
    "dicom2nifti/generic/anatomical/001_implicit",
    "dicom2nifti/generic/anatomical/002_non_isotropic",
    "dicom2nifti/generic/compressed/001",
    "dicom2nifti/generic/compressed_j2k/001",
    "dicom2nifti/generic/compressed_jpeg/001",
    "dicom2nifti/generic/compressed_jpegls/001",
    "dicom2nifti/generic/compressed_rle/001",
    "dicom2nifti/generic/rgb/001",
    "dicom2nifti/hitachi/anatomical/001",
    "dicom2nifti/hitachi/anatomical/001_implicit",
    "dicom2nifti/hyperfine/anatomical/001",
    "dicom2nifti/philips_enhanced/anatomical/001",
    "dicom2nifti/philips_enhanced/anatomical/001_implicit",
    "dicom2nifti/philips_enhanced/dti/001",
    "dicom2nifti/philips_enhanced/dti/001_implicit",
    "dicom2nifti/siemens_multiframe/anatomical/001",
)
# Voxels are the same; positions say where slices lie, and dcm2niix puts the last ones elsewhere.
SPACING = {
    "dcm_qa_frag/In/5001_anat-T1w_acq-tfl": "dcm2niix measures 2.0001 mm between two rounded positions of 96",
    "dcm_qa_frag/In/6001_anat-T1w_acq-tfl": "dcm2niix measures 2.0001 mm between two rounded positions of 96",
    "dicom2nifti/philips_enhanced/fmri/001": "dcm2niix takes SpacingBetweenSlices, 3.313 mm for 3.3125",
    "dicom2nifti/philips_enhanced/fmri/001_implicit": "dcm2niix takes SpacingBetweenSlices, 3.313 mm for 3.3125",
    "dicom2nifti/failing/gantrytilting/001": "NIfTI of dcm2niix has no shear; its second file is resampled",
}
# Values that dcm2niix rounds more coarsely than float32 has to.
ROUNDED = {
    "dcm_qa_enh/In/Philips": "dcm2niix subtracts -500 from -499.76 in float32 to get a slope",
    "nitest-balls1/DICOM": "dcm2niix subtracts -500 from -499.76 in float32 to get a slope",
}
# dcm2niix writes slices one after another as if none were missing; we refuse, or fill the gap when told to.
UNEVEN = {
    "dicom2nifti/failing/sliceincrement/001": "one slice is missing",
    "dicom2nifti/failing/sliceincrement/002": "one slice is missing",
}
ENCODINGS = "cornerstone_testImages/testImages"  # single images, most of them one slice in another encoding
# What dcm2niix does with them: writes nothing, as we do or do not; wrong voxels; another thickness; one more level of
# lossy JPEG; the indices of a palette.
UNWRITTEN, UNREAD, WRONG, THICK, LOSSY, COLOUR = "unwritten", "unread", "wrong", "thick", "lossy", "colour"
ENCODED = {
    "CT1_J2KR": "",
    "CT2_J2KR": "",
    "CTImage.dcm": THICK,
    "CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm": THICK,
    "CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm": UNWRITTEN,
    "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm": THICK,
    "CTImage.dcm_JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91.dcm": THICK,
    "CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm": THICK,
    "CTImage.dcm_JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81.dcm": THICK,
    "CTImage.dcm_JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55.dcm": UNREAD,
    "CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm": THICK,
    "CTImage.dcm_JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57.dcm": WRONG,
    "CTImage.dcm_JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50.dcm": LOSSY,
    "CTImage.dcm_JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51.dcm": UNREAD,
    "CTImage.dcm_JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53.dcm": UNREAD,
    "CTImage.dcm_LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1.dcm": THICK,
    "CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm": THICK,
    "CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm": THICK,
    "CT0012.fragmented_no_bot_jpeg_baseline.51.dcm": UNREAD,  # of 12 bits, which dcm2niix does not decode either
    "US-YBR_FULL_422-EVRLE.dcm": UNWRITTEN,
    "no-pixel-data.dcm": UNREAD,
    "no-pixel-spacing.dcm": COLOUR,
}


@dataclass(frozen=True, eq=False)
class Made:
    """One 3D volume, from either program.

    Attributes:
        name: its file's or series' name.
        array: (X, Y, Z) or (X, Y, Z, 3), as the program orders them.
        affine: RAS+.
    """

    name: str
    array: NDArray[np.generic]
    affine: NDArray[np.float64]

    @property
    def canonical(self) -> "Made":
        """The same volume in the orientation nearest to RAS."""
        turns = nib.orientations.io_orientation(self.affine)
        back = nib.orientations.inv_ornt_aff(turns, self.array.shape[:3])
        return Made(self.name, nib.orientations.apply_orientation(self.array, turns), self.affine @ back)

    @property
    def corners(self) -> NDArray[np.float64]:
        """Centres of the eight outermost voxels, mm."""
        grid = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(self.array.shape[:3])[:, None] - 1)
        return self.affine[:3, :3] @ grid + self.affine[:3, 3:]

    def slice_corner_error(self, positions: NDArray[np.float64]) -> float:
        """Return how far from any ImagePositionPatient (RAS) the first pixels of slices lie at most, mm."""
        columns, rows, slices = (np.arange(length) for length in self.array.shape[:3])
        errors = []
        for corner in np.ndindex(2, 2):  # dcm2niix turns rows round
            start = np.array([columns[-corner[0]], rows[-corner[1]], 0, 1])
            path = (self.affine @ (start[:, None] + np.outer([0, 0, 1, 0], slices)))[:3].T
            errors.append(np.linalg.norm(path[:, None] - positions[None], axis=2).min(axis=1).max())
        return float(min(errors))


@pytest.fixture(scope="session")
def dcm2niix() -> Path:
    """The reference converter beside this Python."""
    found = shutil.which("dcm2niix", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if found is None:
        pytest.skip("no dcm2niix in this environment: pip install dcm2niix")
    return Path(found)


def by_dcm2niix(program: Path, folder: Path, output: Path) -> list[Made]:
    """Convert a folder with the reference converter; volumes that it resampled itself are left out."""
    output.mkdir()
    command = [program, "-d", "0", "-b", "n", "-z", "n", "-f", "%s_%p", "-o", output, folder]
    subprocess.run(command, capture_output=True, check=False)  # it exits 1 or 2 where it converts nothing
    files = [path for path in sorted(output.glob("*.nii")) if "_Tilt" not in path.name and "_Eq" not in path.name]
    return [volume for path in files for volume in volumes_in(path)]


def volumes_in(path: Path) -> Iterator[Made]:
    image = nib.load(path)
    colours = image.get_data_dtype().fields
    array = np.asanyarray(image.dataobj.get_unscaled() if colours else image.dataobj)
    if colours:
        yield Made(path.stem, np.stack([array[name] for name in "RGB"], axis=-1), image.affine)
        return
    for time in np.moveaxis(array.reshape(*array.shape[:3], -1), -1, 0):
        yield Made(path.stem, time.reshape(*time.shape, *(1,) * (3 - time.ndim)), image.affine)


def by_segkit(folder: Path) -> list[Made]:
    """Read every volume of a folder that can be read."""
    made = []
    for stack in find_series(folder, below=False):
        with suppress(DataError):
            volume = SeriesSelection((stack,), folder, DEFAULTS).read()
            array = np.moveaxis(volume.array.reshape(*volume.array.shape[:3], -1), 0, -1)
            made.append(Made(stack.name, array[..., 0] if array.shape[-1] == 1 else array, volume.grid.affine))
    return made


def has_same_voxels(one: Made, other: Made, tolerance: float = SAME_FLOAT) -> bool:
    first, second = one.canonical.array, other.canonical.array
    if first.shape != second.shape:
        return False
    if first.dtype.kind in "iu" and second.dtype.kind in "iu":
        return np.array_equal(first, second)
    return bool(np.allclose(first, second, rtol=tolerance, atol=tolerance * float(np.abs(second).max())))


def has_same_grid(one: Made, other: Made) -> bool:
    first, second = one.canonical, other.canonical
    return np.allclose(first.affine, second.affine, rtol=0, atol=SAME_MM) and np.allclose(
        first.corners, second.corners, rtol=0, atol=SAME_MM
    )


def check_pairs(theirs: Sequence[Made], ours: Sequence[Made], tolerance: float = SAME_FLOAT) -> list[tuple[Made, Made]]:
    """Return each of their volumes beside ours of the same voxels; nothing is left over on either side."""
    pairs = []
    for volume in theirs:
        twins = [mine for mine in ours if has_same_voxels(mine, volume, tolerance)]
        assert twins, f"{volume.name}: no volume of ours has these voxels"
        pairs.append((volume, next((mine for mine in twins if has_same_grid(mine, volume)), twins[0])))
    for mine in ours:
        assert any(has_same_voxels(mine, volume, tolerance) for volume in theirs), (
            f"{mine.name}: is no volume of theirs"
        )
    assert pairs, "dcm2niix wrote nothing"
    return pairs


def positions_in(folder: Path) -> NDArray[np.float64]:
    """Return every ImagePositionPatient of a folder, in RAS."""
    found = []
    for path in (path for path in folder.iterdir() if path.is_file() and is_dicom(DicomFile(path))):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        frames = header.get("PerFrameFunctionalGroupsSequence")
        places = [frame.PlanePositionSequence[0] for frame in frames] if frames else [header]
        found += [place.ImagePositionPatient for place in places]
    return np.array(found, float) * [-1, -1, 1]


def test_the_table_names_every_folder(dicom_archive):
    root = dicom_archive / "dicom"
    folders = {path.parent for path in root.rglob("*") if path.is_file() and is_dicom(DicomFile(path))}
    named = {*SERIES, *SPACING, *ROUNDED, *UNEVEN, ENCODINGS}
    assert {str(folder.relative_to(root)) for folder in folders} == named
    assert {path.name for path in (root / ENCODINGS).iterdir() if path.is_file()} == set(ENCODED)


@pytest.mark.parametrize("name", SERIES)
def test_voxels_and_affine_are_those_of_dcm2niix(dicom_archive, dcm2niix, tmp_path, name):
    folder = dicom_archive / "dicom" / name
    for theirs, ours in check_pairs(by_dcm2niix(dcm2niix, folder, tmp_path / "out"), by_segkit(folder)):
        assert has_same_grid(ours, theirs), f"{theirs.name}:\n{theirs.canonical.affine}\n{ours.canonical.affine}"


@pytest.mark.parametrize("name", SPACING)
def test_slices_lie_where_their_positions_say(dicom_archive, dcm2niix, tmp_path, name):
    folder = dicom_archive / "dicom" / name
    positions = positions_in(folder)
    for theirs, ours in check_pairs(by_dcm2niix(dcm2niix, folder, tmp_path / "out"), by_segkit(folder)):
        assert ours.slice_corner_error(positions) < SAME_MM < theirs.slice_corner_error(positions)


@pytest.mark.parametrize("name", ROUNDED)
def test_values_that_dcm2niix_rounds(dicom_archive, dcm2niix, tmp_path, name):
    folder = dicom_archive / "dicom" / name
    theirs, ours = by_dcm2niix(dcm2niix, folder, tmp_path / "out"), by_segkit(folder)
    pairs = check_pairs(theirs, ours, DCM2NIIX_FLOAT)
    assert all(has_same_grid(mine, volume) for volume, mine in pairs)
    coarse = [volume for volume, mine in pairs if not has_same_voxels(mine, volume)]
    assert len(coarse) == 1, "only the field map has an intercept"


@pytest.mark.parametrize("name", UNEVEN)
def test_uneven_slices_are_refused_or_filled(dicom_archive, dcm2niix, tmp_path, name):
    folder = dicom_archive / "dicom" / name
    (theirs,) = by_dcm2niix(dcm2niix, folder, tmp_path / "out")
    (stack,) = find_series(folder, below=False)
    assert not is_even(stack.planes)
    with pytest.raises(GeometryError, match="1 slice is missing"):
        SeriesSelection((stack,), folder, DEFAULTS).read()
    filled = SeriesSelection((stack,), folder, replace(DEFAULTS, gaps="resample")).read()
    slices = np.moveaxis(theirs.array[:, ::-1], -1, 0)  # dcm2niix turns rows round
    known = [any(np.array_equal(plane, known) for known in slices) for plane in np.moveaxis(filled.array[0], -1, 0)]
    assert (len(known), sum(known)) == (len(slices) + 1, len(slices)), "the slices there are, and one between them"


@pytest.mark.parametrize("name", ENCODED)
def test_one_image_in_many_encodings(dicom_archive, dcm2niix, tmp_path, name):
    source, folder, kind = dicom_archive / "dicom" / ENCODINGS / name, tmp_path / "in", ENCODED[name]
    folder.mkdir()
    shutil.copy(source, folder)
    theirs = by_dcm2niix(dcm2niix, folder, tmp_path / "out")
    if kind == UNREAD:
        assert not theirs
        with pytest.raises(DataError):
            _ = [SeriesSelection((stack,), folder, DEFAULTS).read() for stack in find_series(folder)]
        return
    (ours,) = by_segkit(folder)
    if kind in (UNWRITTEN, WRONG) and name.startswith("CTImage"):  # deflated; lossless JPEG with another predictor
        plain = read(source.with_name("CTImage.dcm"))
        assert np.array_equal(ours.array, plain.array[0])
    if kind == UNWRITTEN:
        assert not theirs
    elif kind == COLOUR:
        assert (ours.array.ndim, theirs[0].array.ndim) == (4, 3)
    else:
        check_encoded(ours, theirs[0], kind)


def check_encoded(ours: Made, theirs: Made, kind: str) -> None:
    """Compare a single slice: its in-plane grid and values, but for what its kind says of dcm2niix."""
    first, second = ours.canonical, theirs.canonical
    assert np.allclose(first.affine[:, [0, 1, 3]], second.affine[:, [0, 1, 3]], rtol=0, atol=SAME_MM)
    if kind:  # SliceThickness is 5 mm; dcm2niix takes SpacingBetweenSlices
        assert (ours.affine[2, 2], theirs.affine[2, 2]) == (5, 6.5)
    else:
        assert has_same_grid(ours, theirs)
    if kind == LOSSY:  # decoders of lossy JPEG may round to the next of 256 levels, which are 16.06 apart
        assert 0 < np.abs(first.array - second.array).max() < 2.001 * 16.06
    else:
        assert has_same_voxels(ours, theirs) == (kind != WRONG)
