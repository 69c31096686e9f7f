"""Objects that are made of a series and lie beside it: what they take from it, and how they are told apart."""
