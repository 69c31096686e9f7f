"""Every door for files of others: seeds that it takes, and how it is opened.

A seed is a small folder of files; one of those that `damages` names is damaged, the others stay as they are.
"""

from tests.fuzzing.reader import Reader
from tests.fuzzing.records import (
    checkpoint_seeds,
    description_seeds,
    model_seeds,
    open_checkpoint,
    open_description,
    open_model,
    open_run,
    open_table,
    package_seeds,
    run_seeds,
    table_seeds,
)
from tests.fuzzing.volumes import (
    dicom_seeds,
    drawn_seeds,
    metaimage_seeds,
    nifti_seeds,
    nrrd_seeds,
    numpy_seeds,
    open_drawn,
    open_series,
    open_volume,
    picture_seeds,
    tiff_seeds,
)

READERS: tuple[Reader, ...] = (
    Reader("nifti", nifti_seeds, open_volume(".nii", ".nii.gz", ".hdr")),
    Reader("nrrd", nrrd_seeds, open_volume(".nrrd", ".nhdr")),
    Reader("metaimage", metaimage_seeds, open_volume(".mha", ".mhd")),
    Reader("picture", picture_seeds, open_volume()),
    Reader("tiff", tiff_seeds, open_volume()),
    Reader("numpy", numpy_seeds, open_volume()),
    Reader("dicom_series", dicom_seeds, open_series),
    Reader("dicom_seg", drawn_seeds("dicom_seg"), open_drawn, ("drawn.dcm",), share=1.0),
    Reader("rtstruct", drawn_seeds("rtstruct"), open_drawn, ("drawn.dcm",), share=0.75),
    Reader("table", table_seeds, open_table),
    Reader("dataset_json", description_seeds, open_description),
    Reader("package", package_seeds, open_model),
    Reader("model", model_seeds, open_model),
    Reader("checkpoint", checkpoint_seeds, open_checkpoint),
    Reader("run", run_seeds, open_run, share=0.5),
)
