"""How good masks are: overlap metrics and their statistics; and what masks measure (NumPy and SciPy, never torch)."""
