"""A network that deserves to lose: chosen on its training rows, averaged, and never far below the straight line.

For each set of training rows, such as those of a fold:

1. The rows are divided into parts (`Split.parts`). Each candidate, a choice of hidden layers, learning rate and
   penalty, trains a member for each part: on the other parts, with the best epoch by the loss on its part. The members
   of all candidates and all sets of rows are replicas of a few calls of `fit.fit`, one for each choice of hidden
   layers. Poor candidates are dropped early (`halving.py`).
2. The candidate with the lowest loss on all parts together is taken. The predictions of its members are averaged.
3. A share of the straight line on the same rows is added: the share for which the loss on the parts is lowest. The line
   is a ridge regression, whose penalty is chosen by the loss on the parts too.

With many rows, steps 1 and 2 choose on a sample of the rows, and fewer members are then trained on all of them.

The choice takes place inside the training rows, so that the loss on the rows of a fold stays honest (Varma and Simon
2006; Cawley and Talbot 2010). Averaging and early stopping by parts follow Holzmueller et al. 2024, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.rows import Rows
from straightline.data.source import Pass, one_pass
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.models import Averaged, Neural
from straightline.regression import ridge
from straightline.regression.ridge import Line
from straightline.training import fit
from straightline.training.batches import seed_of
from straightline.training.candidates import Parts, best_candidates
from straightline.training.choice_sample import choice_rows, gathered
from straightline.training.members import effort_of, trained_members
from straightline.training.plan import CHOICE_ROWS, FEW_MEMBERS, FEW_MEMBERS_ROWS, MEMBERS, member_settings
from straightline.training.predictors import network_predictors, regression_predictor
from straightline.training.scoring import Predictor

SHARES = np.linspace(0, 1, 11)  # of the line


@dataclass(frozen=True)
class Average:
    """The averaged network of a set of training rows.

    `network` are the settings that its `members` share, `line` is the straight line on all rows of the set, and `share`
    its share in the prediction. `networks`, `epochs` and `steps` count the training of all candidates.
    """

    network: Neural
    members: list[fit.Fitted]
    line: Line
    share: float
    networks: int
    epochs: int
    steps: int


def average(
    table: TrainingTable, row_sets: Sequence[Fold], settings: Averaged, fit_settings: Fit, on_epoch: fit.OnEpoch
) -> list[Average]:
    """Return the averaged network of the training rows of each of `row_sets`. Test rows are not looked at.

    Raises UserError if the losses of all candidates of a set are not finite.
    """
    seeds = [seed_of([fit_settings.seed, part.repeat + 1, part.fold, len(part.train)]) for part in row_sets]
    rows = [choice_rows(table, part.train, seed) for part, seed in zip(row_sets, seeds, strict=True)]
    count = settings.members or MEMBERS
    parts = [table.split.parts(some, count, seed) for some, seed in zip(rows, seeds, strict=True)]
    found = _chosen(table, row_sets, parts, seeds, settings, fit_settings, on_epoch)
    if len(table.labels) > CHOICE_ROWS:
        found = _rescaled(
            found, settings, [len(some) / len(part.train) for some, part in zip(rows, row_sets, strict=True)]
        )
    lines = ridge.lines(table.source, [part.train for part in row_sets], table.family, found.penalties)
    if len(table.labels) > CHOICE_ROWS:
        found = _trained_on_all_rows(table, row_sets, found, lines, seeds, settings, fit_settings, on_epoch)
    shares = _shares(table, found, settings)
    return [
        Average(network, fitted, line, share, *map(int, effort))
        for network, fitted, line, share, effort in zip(
            found.networks, found.members, lines, shares, found.effort, strict=True
        )
    ]


@dataclass(frozen=True)
class _Found:
    """What was found for each set of rows: the chosen network, its members, and the penalty of the line.

    `parts` are the rows that the members were trained without, and `lines` are lines of the same parts. `effort`
    `(row sets, 3)` counts networks, epochs and steps.
    """

    networks: list[Neural]
    members: list[list[fit.Fitted]]
    parts: Sequence[Parts]
    penalties: list[float]
    lines: list[list[Line]]
    effort: NDArray


def _chosen(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    parts: Sequence[Parts],
    seeds: Sequence[int],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
) -> _Found:
    rows = min(len(table.labels), CHOICE_ROWS)
    small, small_parts = (table, parts) if rows == len(table.labels) else gathered(table, parts)
    tried = list(best_candidates(small, small_parts, seeds, settings, fit_settings, on_epoch, rows))
    chosen = [tried[number] for number in np.argmin([candidates.losses for candidates in tried], axis=0)]
    _require_finite([candidates.losses[row_set] for row_set, candidates in enumerate(chosen)], row_sets)
    penalties, part_lines = _part_lines(small, small_parts)
    return _Found(
        [candidates.networks[row_set] for row_set, candidates in enumerate(chosen)],
        [candidates.members[row_set] for row_set, candidates in enumerate(chosen)],
        parts,
        penalties,
        part_lines,
        np.sum([candidates.effort for candidates in tried], axis=0),
    )


def _rescaled(found: _Found, settings: Averaged, shares: Sequence[float]) -> _Found:
    """Return `found` with penalties for all rows, of which the sample is a share.

    A penalty is added to the mean of the losses. Against their sum it weighs as much as in the sample.
    """
    networks = [replace(each, l2=each.l2 * share) for each, share in zip(found.networks, shares, strict=True)]
    return replace(
        found,
        networks=networks if settings.l2 is None else found.networks,
        penalties=[penalty * share for penalty, share in zip(found.penalties, shares, strict=True)],
    )


def _trained_on_all_rows(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    found: _Found,
    lines: Sequence[Line],
    seeds: Sequence[int],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
) -> _Found:
    """Return members that are trained on all rows of each set, with the settings chosen on a sample.

    With so many rows a line hardly depends on a part of them, so that all parts have the line of their set.
    """
    count = settings.members or (FEW_MEMBERS if len(table.labels) >= FEW_MEMBERS_ROWS else MEMBERS)
    parts = [
        table.split.parts(fold.train, max(count, MEMBERS), seed)[-count:]
        for fold, seed in zip(row_sets, seeds, strict=True)
    ]
    choices = settings.hidden_layers(CHOICE_ROWS)
    done = len(choices) * member_settings(table, found.networks[0], fit_settings, CHOICE_ROWS).epochs

    def on_later_epoch(epoch: int, running: NDArray, first: NDArray) -> None:
        on_epoch(done + epoch, running, first)

    members = trained_members(table, parts, seeds, found.networks, fit_settings, on_later_epoch)
    _require_finite([max(member.best_loss for member in fitted) for fitted in members], row_sets)
    return replace(
        found,
        members=members,
        parts=parts,
        lines=[[line] * len(divided) for line, divided in zip(lines, parts, strict=True)],
        effort=found.effort + [effort_of(fitted) for fitted in members],
    )


def _require_finite(losses: Sequence[float], row_sets: Sequence[Fold]) -> None:
    for loss, rows in zip(losses, row_sets, strict=True):
        if not np.isfinite(loss):
            raise UserError(
                f"the loss is not finite in all networks of repeat {rows.repeat}, fold {rows.fold}; set a smaller "
                "learning_rate"
            )


def averaged_predictors(table: TrainingTable, averages: Sequence[Average]) -> list[Predictor]:
    """Return the predictor of each of `averages`."""
    members = _member_predictors(table, [item.network for item in averages], [item.members for item in averages])
    return [
        _blend(networks, regression_predictor(item.line, table.family), item.share)
        for item, networks in zip(averages, members, strict=True)
    ]


def _blend(networks: Sequence[Predictor], line: Predictor, share: float) -> Predictor:
    def predict(features: NDArray) -> NDArray:
        averaged = np.mean([network(features) for network in networks], axis=0)
        return np.asarray(share * line(features) + (1 - share) * averaged)

    return predict


def _part_lines(table: TrainingTable, parts: Sequence[Parts]) -> tuple[list[float], list[list[Line]]]:
    """Return the best penalty of the line for each set of rows, and the lines on the training rows of its parts."""
    flat_parts = [part for divided in parts for part in divided]
    paths = ridge.paths(table.source, [train for train, _ in flat_parts], table.family)
    losses = ridge.part_losses(table.source, [part for _, part in flat_parts], paths, table.family)
    penalties, part_lines, first = [], [], 0
    for divided in parts:
        these = slice(first, first := first + len(divided))
        best = int(losses[these].sum(axis=0).argmin())
        penalties.append(float(ridge.PENALTIES[best]))
        part_lines.append([path[best] for path in paths[these]])
    return penalties, part_lines


def _shares(table: TrainingTable, found: _Found, settings: Averaged) -> list[float]:
    """Return the share of the line for each set of rows: the one with the lowest loss on the parts."""
    if settings.line is not None:
        return [settings.line] * len(found.parts)

    def blended(network: Predictor, line: Predictor) -> Pass:
        def losses(rows: Rows) -> NDArray:
            of_network, of_line = network(rows.features), line(rows.features)
            blends = (share * of_line + (1 - share) * of_network for share in SHARES)
            return np.array([table.family.row_losses(rows.labels, blend).sum() for blend in blends])

        return Pass(losses, np.add)

    predictors = _member_predictors(table, found.networks, found.members)
    passes = [
        blended(network, regression_predictor(line, table.family))
        for set_networks, set_lines in zip(predictors, found.lines, strict=True)
        for network, line in zip(set_networks, set_lines, strict=True)
    ]
    sums = iter(one_pass(table.source, [part for divided in found.parts for _, part in divided], passes))
    totals = [np.sum([next(sums) for _ in divided], axis=0) for divided in found.parts]
    return [float(SHARES[np.argmin(total)]) for total in totals]


def _member_predictors(
    table: TrainingTable, networks: Sequence[Neural], members: Sequence[Sequence[fit.Fitted]]
) -> list[list[Predictor]]:
    """Return the predictors of the members of each set of rows. Networks of one shape share a Keras model."""
    models = {
        tuple(network.hidden): network.build(len(table.names), table.family.activation, str(fitted[0].weights[0].dtype))
        for network, fitted in zip(networks, members, strict=True)
    }
    return [
        network_predictors(models[tuple(network.hidden)], fitted)
        for network, fitted in zip(networks, members, strict=True)
    ]
