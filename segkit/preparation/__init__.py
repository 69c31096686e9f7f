"""From scans to prepared cases: fingerprint, plan, orientation, cropping, resampling, normalisation, the store."""
