"""The geometry behind the shape features: surfaces, outlines, diameters and principal axes of binary masks."""
