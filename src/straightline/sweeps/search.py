"""Which points of a space a sweep tries: Optuna's samplers, asked for a batch and told what it came to."""

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

if TYPE_CHECKING:  # TensorFlow is imported with it
    from straightline.sweeps.trainer import OnProgress, Scored, Trainer

TRIALS = 100
FOUND, IDENTITY = "found", "identity"  # an attribute of a trial, and what it knows itself by

Told = tuple[int, Mapping[str, Any], Mapping[str, Any]]  # a trial's number, its point, and what it came to
Evaluate = Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]]


def plan(sampler: str | None, trials: int | None, space: Space) -> tuple[str, int]:
    """Return the sampler and the number of trials, where they are None: a grid of all points, or for intervals TPE.

    Raises UserError for a grid of intervals.
    """
    sampler = sampler or ("tpe" if space.size is None else "grid")
    if sampler == "grid" and space.size is None:
        raise UserError("sweep: intervals have no grid; choose --sampler random, qmc or tpe, or give choices")
    if space.size is None or sampler != "grid":
        return sampler, trials or TRIALS
    return sampler, min(trials or space.size, space.size)


def study(name: str, storage: str | None, sampler: str, space: Space, trials: int, seed: int) -> optuna.Study:
    """Return the study `name`, which goes on where it was if `storage` (a database's URL) has it.

    A grid's points wait in it; of more than `trials` chance takes some. Trials that a killed sweep left running are
    given up, and their points tried first, unless it is known what they came to.
    """
    # Trials of a batch that still run count as bad, so that a batch does not crowd about one point.
    samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
        "grid": lambda: optuna.samplers.RandomSampler(seed),  # GridSampler cannot be asked and told
        "random": lambda: optuna.samplers.RandomSampler(seed),
        "qmc": lambda: optuna.samplers.QMCSampler(seed=seed),
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, constant_liar=True),
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        chosen = samplers[sampler]()
    try:
        found = optuna.create_study(study_name=name, storage=storage, sampler=chosen, load_if_exists=True)
    except Exception as error:  # Optuna passes on what SQLAlchemy, or the lack of a driver, raises
        raise UserError(f"sweep: storage {storage}: {' '.join(str(error).split())[:300]}") from None
    if sampler == "grid" and not found.get_trials(deepcopy=False):
        points = space.points()
        some = np.sort(np.random.default_rng(seed).permutation(len(points))[:trials])
        for number in some:
            found.enqueue_trial(points[number])
    for left in found.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if FOUND in left.user_attrs:
            _end(found, left.number, left.user_attrs[FOUND])
        else:
            found.tell(left.number, state=TrialState.FAIL)
            found.enqueue_trial(left.params, skip_if_exists=False)
    return found


def run(
    of: optuna.Study,
    space: Space,
    trials: int,
    batch: int,
    identity: Callable[[Mapping[str, Any]], str],
    evaluate: Evaluate,
    known: dict[str, Mapping[str, Any]],
    on_told: Callable[[Sequence[Told]], None],
) -> None:
    """Ask for points until `trials` are told, `batch` at once; `evaluate` returns a `loss` or a `reason` for each.

    `known` holds what points came to by their `identity`; they are not evaluated again, and new ones are added.
    `on_told` gets what is told, first of all what was before.
    """
    distributions = {one.key: distribution(one) for one in space.dimensions}
    on_told(told(of))
    while (left := trials - len(finished(of))) > 0:
        asked = [of.ask(distributions) for _ in range(min(left, batch))]
        owns = [identity(trial.params) for trial in asked]
        new = {own: trial for own, trial in zip(owns, asked, strict=True) if own not in known}
        known |= dict(zip(new, evaluate([trial.params for trial in new.values()]), strict=True))
        for trial, own in zip(asked, owns, strict=True):
            _tell(of, trial, own, known[own])
        on_told([(trial.number, trial.params, known[own]) for trial, own in zip(asked, owns, strict=True)])


def distribution(of: Dimension) -> BaseDistribution:
    """Return what Optuna draws a dimension from."""
    if of.choices is not None:
        return CategoricalDistribution(list(of.choices))
    if of.is_whole:
        return IntDistribution(int(of.low), int(of.high), log=of.log)
    return FloatDistribution(of.low, of.high, log=of.log)


def finished(of: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that have been told, those that failed for a reason among them."""
    every = of.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
    return [trial for trial in every if FOUND in trial.user_attrs]


def told(of: optuna.Study) -> list[Told]:
    """Return what the finished trials came to."""
    return [(trial.number, trial.params, trial.user_attrs[FOUND]) for trial in finished(of)]


def remembered(storage: str | None) -> dict[str, Mapping[str, Any]]:
    """Return what all sweeps of `storage` found, by the identity of the point."""
    if storage is None:
        return {}
    names = optuna.get_all_study_names(storage)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    found = [trial.user_attrs[FOUND] for one in studies for trial in finished(one)]
    return {one[IDENTITY]: one for one in found}


def importances(of: optuna.Study, space: Space, seed: int) -> dict[str, float]:
    """Return each key's share in what the losses vary by, NaN where they are alike.

    It is the decrease of impurity in a random forest (Breiman 2001). Optuna's fANOVA takes minutes for hundreds of
    trials.
    """
    shares = {one.key: float("nan") for one in space.dimensions}
    done = of.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len({trial.value for trial in done}) < 2:
        return shares
    evaluator = optuna.importance.MeanDecreaseImpurityImportanceEvaluator(seed=seed)
    return shares | optuna.importance.get_param_importances(of, evaluator=evaluator)


def study_name(space: Space, trials_of: str, data: str) -> str:
    """Return a name that the same sweep on the same rows has again."""
    dimensions = [[one.key, list(one.choices or ()), one.low, one.high, one.log] for one in space.dimensions]
    content = json.dumps([dimensions, dict(space.base), trials_of, data], sort_keys=True)
    return f"straightline-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def _tell(of: optuna.Study, trial: Trial, identity: str, found: Mapping[str, Any]) -> None:
    trial.set_user_attr(FOUND, {IDENTITY: identity, **found})  # one attribute, which is there whole or not at all
    _end(of, trial.number, found)


def _end(of: optuna.Study, number: int, found: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if found["loss"] is None:
            of.tell(number, state=TrialState.FAIL)
        else:
            of.tell(number, found["loss"])


def identity(of: Space, data: str, point: Point) -> str:
    """Return what `point` is known by: what its fits depend on, `data` being a digest of the rows."""
    try:
        return digest(of.config(point), of.model, data)
    except UserError as error:
        return f"invalid: {error}"


def evaluated(trainer: Trainer, of: Space, points: Sequence[Point], on_progress: OnProgress) -> list[dict[str, Any]]:
    """Return what each point came to; an invalid one has the reason for a result."""
    configs: list[Config | UserError] = []
    for point in points:
        try:
            configs.append(of.config(point))
        except UserError as error:
            configs.append(error)
    scored = iter(trainer.scored([one for one in configs if isinstance(one, Config)], on_progress))
    return [_found(next(scored)) if isinstance(one, Config) else _failed(str(one)) for one in configs]


def _found(scored: Scored) -> dict[str, Any]:
    if scored.losses is None:
        return _failed(str(scored.reason), scored.epochs, scored.steps)
    spread = float(scored.losses.std(ddof=1)) if len(scored.losses) > 1 else 0.0
    told = {"loss": float(scored.losses.mean()), "between_folds": spread, "reason": None}
    return told | {"epochs": scored.epochs, "steps": scored.steps}


def _failed(reason: str, epochs: int = 0, steps: int = 0) -> dict[str, Any]:
    return {"loss": None, "between_folds": None, "reason": reason, "epochs": epochs, "steps": steps}
