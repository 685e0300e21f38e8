"""Members of averaged networks whose settings are chosen already, trained on all rows of large tables."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Fit
from straightline.data.training_table import TrainingTable
from straightline.models import Neural
from straightline.training import fit
from straightline.training.batches import Replica, seed_of
from straightline.training.candidates import Parts
from straightline.training.plan import member_settings


def trained_members(
    table: TrainingTable,
    parts: Sequence[Parts],
    seeds: Sequence[int],
    networks: Sequence[Neural],
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
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
                seed_of([seeds[row_set], part]),
                networks[row_set].learning_rate,
                networks[row_set].l2,
            )
            for row_set, part in jobs
        ]
        network = replace(networks[row_sets[0]], learning_rate=1.0, l2=0.0)  # Rate and penalty are the replicas'.
        descent = member_settings(table, network, fit_settings, len(table.labels))
        fitted = fit.fit(
            network.build(len(table.names), "linear", fit_settings.dtype),
            table.source,
            replicas,
            descent,
            lambda epoch, *losses, done=done: on_epoch(done + epoch, *losses),
        )
        done += descent.epochs
        for (row_set, _), member in zip(jobs, fitted, strict=True):
            members[row_set].append(member)
    return members


def effort_of(members: Sequence[fit.Fitted]) -> NDArray:
    """Return the numbers of networks, epochs and steps of the training of `members`, `(3,)`."""
    return np.array([len(members), sum(len(each.losses) for each in members), sum(each.steps for each in members)])
