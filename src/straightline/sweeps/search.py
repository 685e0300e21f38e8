"""Which points of a space a sweep tries: Optuna proposes batches of points and learns from their losses."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from straightline.config.settings import Config
from straightline.errors import UserError
from straightline.sweeps.space import Dimension, Point, Space, digest

if TYPE_CHECKING:  # the trainer imports TensorFlow
    from straightline.sweeps.trainer import OnProgress, Scored, Trainer

TRIALS = 100  # unless the user chooses another number, or the grid has fewer points
OUTCOME, IDENTITY = "scored", "identity"  # Optuna's attribute with the outcome of a trial, and its key for the identity

Result = tuple[int, Mapping[str, Any], Mapping[str, Any]]  # number of a trial, its point, and its outcome
Evaluate = Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]]


def plan(sampler: str | None, trials: int | None, space: Space) -> tuple[str, int]:
    """Return the sampler and the number of trials, with defaults instead of None.

    The default is a grid of all points, or TPE if the space has intervals. Raises UserError for a grid with intervals.
    """
    sampler = sampler or ("tpe" if space.size is None else "grid")
    if sampler == "grid" and space.size is None:
        raise UserError("sweep: intervals have no grid; choose --sampler random, qmc or tpe, or give choices")
    if space.size is None or sampler != "grid":
        return sampler, trials or TRIALS
    return sampler, min(trials or space.size, space.size)


def grid(sampler: str, trials: int, space: Space, seed: int) -> list[Point] | None:
    """Return the points of a grid, or a random selection if there are more than `trials`; None for other samplers."""
    if sampler != "grid":
        return None
    points = space.points()
    return [points[number] for number in np.sort(np.random.default_rng(seed).permutation(len(points))[:trials])]


def study(name: str, storage: str | None, sampler: str, seed: int) -> optuna.Study:
    """Return the study `name`; if `storage` (the URL of a database) already has it, the study continues.

    A killed sweep leaves trials that look as if they still ran. Those with a known outcome are completed with it; the
    others are marked as failed, and their points are tried first. Raises UserError if the storage cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        opened = optuna.create_study(
            study_name=name, storage=storage, sampler=_sampler(sampler, seed), load_if_exists=True
        )
    except Exception as error:  # Optuna passes on whatever SQLAlchemy, or a missing driver, raises
        raise UserError(f"sweep: storage {storage}: {' '.join(str(error).split())[:300]}") from None
    for trial in opened.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if OUTCOME in trial.user_attrs:
            _end(opened, trial.number, trial.user_attrs[OUTCOME])
        else:
            opened.tell(trial.number, state=TrialState.FAIL)
            opened.enqueue_trial(trial.params, skip_if_exists=False)
    return opened


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if name == "tpe":
            # Trials of the batch that still run count as bad, so that the batch does not gather around one point.
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        if name == "qmc":
            return optuna.samplers.QMCSampler(seed=seed)
        # It proposes no point of a grid: `grid` does, since Optuna's GridSampler does not work with `ask` and `tell`.
        return optuna.samplers.RandomSampler(seed)


def run(
    study: optuna.Study,
    space: Space,
    points: Sequence[Point] | None,
    trials: int,
    batch: int,
    identity: Callable[[Mapping[str, Any]], str],
    evaluate: Evaluate,
    known: dict[str, Mapping[str, Any]],
    on_results: Callable[[Sequence[Result]], None],
) -> None:
    """Try the `points` of a grid in batches of `batch`, or, if it is None, what the sampler proposes.

    This ends when `trials` points are finished. What is left of a grid is computed from its points, since a kill may
    have come before the storage had all of them.

    `evaluate` returns the outcome of each point: a `loss`, or a `reason` if there is none. `known` holds outcomes by
    the `identity` of their points; those points are not evaluated again, and new outcomes are added to it. `on_results`
    is called with the results that the study already had, and then with the results of each batch.
    """
    distributions = {dimension.key: distribution(dimension) for dimension in space.dimensions}
    on_results(results(study))
    while (remaining := trials - len(finished(study))) > 0:
        if points is not None:
            _enqueue_left(study, points, batch)
        batch_trials = [study.ask(distributions) for _ in range(min(remaining, batch))]
        identities = [identity(trial.params) for trial in batch_trials]
        new = {key: trial for key, trial in zip(identities, batch_trials, strict=True) if key not in known}
        known |= dict(zip(new, evaluate([trial.params for trial in new.values()]), strict=True))
        for trial, key in zip(batch_trials, identities, strict=True):
            _finish(study, trial, key, known[key])
        on_results(
            [(trial.number, trial.params, known[key]) for trial, key in zip(batch_trials, identities, strict=True)]
        )


def _enqueue_left(study: optuna.Study, points: Sequence[Point], count: int) -> None:
    """Make the first `count` points without an outcome wait; some may wait already."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    queued = [trial.system_attrs["fixed_params"] for trial in waiting]
    known = {frozenset(point.items()) for point in [*queued, *(trial.params for trial in finished(study))]}
    left = [point for point in points if frozenset(point.items()) not in known]
    for point in left[: max(count - len(queued), 0)]:
        study.enqueue_trial(dict(point))


def distribution(dimension: Dimension) -> BaseDistribution:
    """Return the Optuna distribution of a dimension."""
    if dimension.choices is not None:
        return CategoricalDistribution(list(dimension.choices))
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have an outcome, whether a loss or a reason why there is none."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in ended if OUTCOME in trial.user_attrs]


def results(study: optuna.Study) -> list[Result]:
    """Return the results of the finished trials."""
    return [(trial.number, trial.params, trial.user_attrs[OUTCOME]) for trial in finished(study)]


def remembered(storage: str | None) -> dict[str, Mapping[str, Any]]:
    """Return the outcomes of all sweeps in `storage`, by the identity of their points."""
    if storage is None:
        return {}
    names = optuna.get_all_study_names(storage)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    outcomes = [trial.user_attrs[OUTCOME] for study in studies for trial in finished(study)]
    return {outcome[IDENTITY]: outcome for outcome in outcomes}


def importances(study: optuna.Study, space: Space, seed: int) -> dict[str, float]:
    """Return the importance of each key for the loss, as shares of 1; NaN if all losses are equal.

    The importance is the mean decrease of impurity in a random forest (Breiman 2001), because Optuna's fANOVA takes
    minutes for hundreds of trials.
    """
    shares = {dimension.key: float("nan") for dimension in space.dimensions}
    completed = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in completed}) < 2:
        return shares
    evaluator = optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=seed)
    return shares | optuna.importance.get_param_importances(study, evaluator=evaluator)


def study_name(space: Space, sampling: str, data: str) -> str:
    """Return a name that is the same whenever the same sweep runs on the same rows.

    `sampling` identifies the sampler and its seed, `data` the rows.
    """
    dimensions = [[each.key, list(each.choices or ()), each.low, each.high, each.log] for each in space.dimensions]
    content = json.dumps([dimensions, dict(space.base), sampling, data], sort_keys=True)
    return f"straightline-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _finish(study: optuna.Study, trial: Trial, identity: str, outcome: Mapping[str, Any]) -> None:
    # A single attribute holds the whole outcome, so that after a kill it is there completely or not at all.
    trial.set_user_attr(OUTCOME, {IDENTITY: identity, **outcome})
    _end(study, trial.number, outcome)


def _end(study: optuna.Study, number: int, outcome: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if outcome["loss"] is None:
            study.tell(number, state=TrialState.FAIL)
        else:
            study.tell(number, outcome["loss"])


def identity(space: Space, data: str, point: Point) -> str:
    """Return the identity of `point`: a digest of everything its fits depend on. `data` is a digest of the rows.

    Invalid points have the error as their identity.
    """
    try:
        return digest(space.config(point), space.model, data)
    except UserError as error:
        return f"invalid: {error}"


def evaluated(trainer: Trainer, space: Space, points: Sequence[Point], on_progress: OnProgress) -> list[dict[str, Any]]:
    """Return the outcome of each point; that of an invalid point is the reason why it is invalid."""
    configs: list[Config | UserError] = []
    for point in points:
        try:
            configs.append(space.config(point))
        except UserError as error:
            configs.append(error)
    scored = iter(trainer.scored([config for config in configs if isinstance(config, Config)], on_progress))
    return [_outcome(next(scored)) if isinstance(config, Config) else _failed(str(config)) for config in configs]


def _outcome(scored: Scored) -> dict[str, Any]:
    if scored.losses is None:
        return _failed(str(scored.reason), scored.epochs, scored.steps)
    spread = float(scored.losses.std(ddof=1)) if len(scored.losses) > 1 else 0.0
    losses = {"loss": float(scored.losses.mean()), "between_folds": spread, "fold_losses": scored.losses.tolist()}
    return losses | {"reason": None, "epochs": scored.epochs, "steps": scored.steps}


def _failed(reason: str, epochs: int = 0, steps: int = 0) -> dict[str, Any]:
    return {"loss": None, "between_folds": None, "reason": reason, "epochs": epochs, "steps": steps}
