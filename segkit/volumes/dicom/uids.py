"""UIDs that the standard fixes (PS3.6, annex A), as far as segkit names them; pydicom is imported late."""

# Transfer syntaxes: how an object's bytes are written.
IMPLICIT = "1.2.840.10008.1.2"  # value representations left out, little endian
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"  # Deflated Image Frame Compression, of 2024: pydicom 3.0 does not know it
RLE = "1.2.840.10008.1.2.5"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"

# SOP classes: what an object is.
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
STUDY = "1.2.840.10008.3.1.2.3.1"  # retired, and still asked for where a structure set refers to a study
