"""A volume and its geometry; every file format in and out."""
