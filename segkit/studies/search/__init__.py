"""`segkit tune`: a search over settings, by Optuna's ask and tell, each trial a training of the engine."""
