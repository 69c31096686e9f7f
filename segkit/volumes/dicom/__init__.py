"""DICOM as hospitals send it: files found, headers read, frames grouped into volumes, pixels decoded, segments drawn."""
