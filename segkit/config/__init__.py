"""The typed schema of conf/, its composition, and the checks that run before anything starts; never imports torch."""
