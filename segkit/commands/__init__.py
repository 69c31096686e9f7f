"""One short module per command; each function is that command as a Python call."""
