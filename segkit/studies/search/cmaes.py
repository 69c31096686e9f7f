"""CMA-ES whose state is worked out anew from the trials that ended.

Optuna's own sampler keeps its state as a pickle among the trials and runs whatever stands there; a study's folder may
come from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.samplers import CmaEsSampler
from optuna.study import StudyDirection

if TYPE_CHECKING:
    import cmaes
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class ReplayedCmaEs(CmaEsSampler):
    """Optuna's CMA-ES, told every whole generation in its order instead of unpickling what it was told before."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the numbers of a trial, and note which generation it belongs to.

        Args:
            study: with its trials so far.
            trial: the one to draw.
            search_space: its intervals.
        """
        from optuna._transform import _SearchSpaceTransform

        ended = self._get_trials(study)
        if not search_space or len(ended) < self._n_startup_trials:
            return {}
        transform = _SearchSpaceTransform(search_space, transform_step=True, transform_0_1=True)
        optimizer = self._replayed(study, ended, transform)
        optimizer.reseed_rng(int(self._cma_rng.rng.randint(1, 2**16)) + trial.number)
        drawn = optimizer.ask()
        study._storage.set_trial_system_attr(trial._trial_id, self._attr_key_generation, optimizer.generation)
        return dict(transform.untransform(drawn))

    def _replayed(self, study: Study, ended: list[FrozenTrial], transform: Any) -> cmaes.CMA:
        optimizer: Any = self._init_optimizer(transform, study.direction)
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        while True:
            generation = self._get_solution_trials(ended, optimizer.generation)[: optimizer.population_size]
            if len(generation) < optimizer.population_size:
                return optimizer
            optimizer.tell([(transform.transform(each.params), sign * each.values[0]) for each in generation])
