"""The candidates of an averaged network, trained on the parts of many sets of rows at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Fit
from straightline.data.training_table import TrainingTable
from straightline.models import Averaged, Neural
from straightline.training import fit
from straightline.training.batches import Replica, seed_of
from straightline.training.choice_sample import Parts
from straightline.training.halving import Halving
from straightline.training.networks import built
from straightline.training.plan import member_settings


@dataclass(frozen=True)
class Chosen:
    """The best candidate of each set of rows: its settings, its members, and its loss on all parts together.

    `effort` `(row sets, 3)` counts the networks of all candidates, their epochs and their steps.
    """

    losses: NDArray
    networks: list[Neural]
    members: list[list[fit.Fitted]]
    effort: NDArray


def best_candidates(
    table: TrainingTable,
    parts: Sequence[Parts],
    seeds: Sequence[int],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    all_rows: int,
) -> Iterator[Chosen]:
    """Yield the best candidate of each set of rows, for one choice of hidden layers after the other.

    `parts` are the parts of each set of rows, and `seeds` are a seed for each set. The number `all_rows`, the same for
    all sets of rows, decides the hidden layers and the epochs.
    """
    pairs = settings.pairs()
    jobs = [
        (row_set, candidate, part)
        for row_set, divided in enumerate(parts)
        for candidate in range(len(pairs))
        for part in range(len(divided))
    ]
    replicas = [
        Replica(*parts[row_set][part], seed_of([seeds[row_set], part]), *pairs[candidate])
        for row_set, candidate, part in jobs
    ]
    row_sets, candidates, _ = np.array(jobs).T
    rows = np.array([table.total(replica.monitored) for replica in replicas])
    for number, hidden in enumerate(settings.hidden_layers(all_rows)):
        networks = [settings.member(hidden, rate, penalty) for rate, penalty in pairs]
        network = replace(networks[0], learning_rate=1.0, l2=0.0)  # Rate and penalty are the replicas'.
        descent = member_settings(table, network, fit_settings, all_rows)
        halving = Halving(row_sets, candidates, rows, descent.epochs)
        model = built(network, len(table.names), table.family.outputs, fit_settings.dtype)
        done = number * descent.epochs
        fitted = fit.fit(
            model,
            table.source,
            replicas,
            descent,
            lambda epoch, *losses, done=done: on_epoch(done + epoch, *losses),
            drop=halving,
        )
        losses = halving.pooled(np.array([member.best_loss for member in fitted]))
        best = losses.argmin(axis=1)
        members: list[list[fit.Fitted]] = [[] for _ in parts]
        effort = np.zeros((len(parts), 3))
        for (row_set, candidate, _), member in zip(jobs, fitted, strict=True):
            effort[row_set] += 1, len(member.losses), member.steps
            if candidate == best[row_set]:
                members[row_set].append(member)
        yield Chosen(losses.min(axis=1), [networks[choice] for choice in best], members, effort)
