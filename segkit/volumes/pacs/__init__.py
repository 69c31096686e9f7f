"""A PACS that speaks DICOMweb: series out of it, and what was derived of them into it."""
