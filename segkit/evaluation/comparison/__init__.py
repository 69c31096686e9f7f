"""Which of several methods is better on the same cases, and whether that is more than luck."""
