"""How good masks are: overlap metrics per case and label, and their statistics over cases (NumPy only, never torch)."""
