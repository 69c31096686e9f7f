"""The run folder and the model file: what is recorded, found again and resumed."""
