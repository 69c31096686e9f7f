"""What every layer stands on: errors, atomic files, locks, hashes, counted randomness, parallel map, console."""
