"""The members of averaged networks: chosen on all rows of small tables, or on a sample and then trained on all rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.errors import UserError
from straightline.models import Averaged, Neural
from straightline.regression.ridge import Line
from straightline.training import fit
from straightline.training.batches import Replica, seed_of
from straightline.training.candidates import best_candidates
from straightline.training.choice_sample import ChoiceParts, Parts, gathered
from straightline.training.lines import chosen_lines
from straightline.training.networks import built
from straightline.training.plan import CHOICE_ROWS, FEW_MEMBERS, FEW_MEMBERS_ROWS, MEMBERS, member_settings


@dataclass(frozen=True)
class Batches:
    """How many times larger batches are than the setting, and how many times larger the learning rate is with them."""

    size: int = 1
    rate: float = 1.0


USUAL = Batches()


@dataclass(frozen=True)
class Found:
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


def chosen(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    division: ChoiceParts,
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
) -> Found:
    """Return what is chosen for each set of rows on its parts, which are parts of a sample of a large table.

    Raises UserError if the losses of all candidates of a set are not finite.
    """
    small, small_parts = gathered(table, division)
    rows = min(division.rows, CHOICE_ROWS)
    tried = list(best_candidates(small, small_parts, division.seeds, settings, fit_settings, on_epoch, rows))
    best = [tried[number] for number in np.argmin([candidates.losses for candidates in tried], axis=0)]
    _require_finite([candidates.losses[row_set] for row_set, candidates in enumerate(best)], row_sets, "all networks")
    penalties, part_lines = chosen_lines(small, small_parts)
    return Found(
        [candidates.networks[row_set] for row_set, candidates in enumerate(best)],
        [candidates.members[row_set] for row_set, candidates in enumerate(best)],
        division.parts,
        penalties,
        part_lines,
        np.sum([candidates.effort for candidates in tried], axis=0),
    )


def rescaled(found: Found, settings: Averaged, shares: Sequence[float]) -> Found:
    """Return `found` with penalties for all rows, of which the sample is a share.

    A penalty is added to the mean of the losses. Against their sum it weighs as much as in the sample.
    """
    networks = [replace(each, l2=each.l2 * share) for each, share in zip(found.networks, shares, strict=True)]
    return replace(
        found,
        networks=networks if settings.l2 is None else found.networks,
        penalties=[penalty * share for penalty, share in zip(found.penalties, shares, strict=True)],
    )


def trained_on_all_rows(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    division: ChoiceParts,
    found: Found,
    lines: Sequence[Line],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    batches: Batches = USUAL,
) -> Found:
    """Return members that are trained on all rows of each set, with the settings chosen on a sample.

    With so many rows a line hardly depends on a part of them, so that all parts have the line of their set. Raises
    UserError if the loss of a member is not finite.
    """
    count = settings.members or (FEW_MEMBERS if division.rows >= FEW_MEMBERS_ROWS else MEMBERS)
    parts = [
        table.split.parts(fold.train, max(count, MEMBERS), seed)[-count:]
        for fold, seed in zip(row_sets, division.seeds, strict=True)
    ]
    choices = settings.hidden_layers(CHOICE_ROWS)
    done = len(choices) * member_settings(table, found.networks[0], fit_settings, CHOICE_ROWS).epochs

    def on_later_epoch(epoch: int, running: NDArray, first: NDArray) -> None:
        on_epoch(done + epoch, running, first)

    members = _trained(table, parts, division, found.networks, fit_settings, on_later_epoch, batches)
    _require_finite([max(member.best_loss for member in fitted) for fitted in members], row_sets, "a network")
    return replace(
        found,
        members=members,
        parts=parts,
        lines=[[line] * len(divided) for line, divided in zip(lines, parts, strict=True)],
        effort=found.effort + [_effort(fitted) for fitted in members],
    )


def _require_finite(losses: Sequence[float], row_sets: Sequence[Fold], which: str) -> None:
    for loss, rows in zip(losses, row_sets, strict=True):
        if not np.isfinite(loss):
            raise UserError(
                f"the loss is not finite in {which} of repeat {rows.repeat}, fold {rows.fold}; set a smaller "
                "learning_rate"
            )


def _trained(
    table: TrainingTable,
    parts: Sequence[Parts],
    division: ChoiceParts,
    networks: Sequence[Neural],
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    batches: Batches,
) -> list[list[fit.Fitted]]:
    """Return the members of each set of rows: one for each of its `parts`, with the settings in `networks`."""
    members: list[list[fit.Fitted]] = [[] for _ in parts]
    done = 0
    for hidden in sorted({tuple(network.hidden) for network in networks}):
        row_sets = [number for number, network in enumerate(networks) if tuple(network.hidden) == hidden]
        jobs = [(row_set, part) for row_set in row_sets for part in range(len(parts[row_set]))]
        replicas = [
            Replica(
                *parts[row_set][part],
                seed_of([division.seeds[row_set], part]),
                networks[row_set].learning_rate * batches.rate,
                networks[row_set].l2,
            )
            for row_set, part in jobs
        ]
        network = replace(networks[row_sets[0]], learning_rate=1.0, l2=0.0)  # Rate and penalty are the replicas'.
        usual = member_settings(table, network, fit_settings, division.rows)
        size, steps = usual.batch_size * batches.size, -(-usual.steps // batches.size)
        descent = replace(usual, batch_size=size, steps=steps)
        fitted = fit.fit(
            built(network, len(table.names), table.family.outputs, fit_settings.dtype),
            table.source,
            replicas,
            descent,
            lambda epoch, *losses, done=done: on_epoch(done + epoch, *losses),
        )
        done += descent.epochs
        for (row_set, _), member in zip(jobs, fitted, strict=True):
            members[row_set].append(member)
    return members


def _effort(members: Sequence[fit.Fitted]) -> NDArray:
    """Return the numbers of networks, epochs and steps of the training of `members`, `(3,)`."""
    return np.array([len(members), sum(len(each.losses) for each in members), sum(each.steps for each in members)])
