"""Lesion by lesion: which predicted one is which of the reference, and how many are found."""
