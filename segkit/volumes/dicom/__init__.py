"""DICOM as hospitals send it: files found, headers read, frames grouped, pixels decoded, segments drawn."""
