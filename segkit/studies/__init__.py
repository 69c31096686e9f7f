"""Several trainings as one study: each trial a fresh process on a config that was composed and checked beforehand."""
