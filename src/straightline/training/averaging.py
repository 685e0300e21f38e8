"""A network that deserves to lose: chosen on its training rows, averaged, and never far below the straight line.

For each set of training rows, such as those of a fold:

1. The rows are divided into parts (`Split.parts`). Each candidate, a choice of hidden layers, learning rate and
   penalty, trains a member for each part: on the other parts, with the best epoch by the loss on its part. The members
   of all candidates and all sets of rows are replicas of a few calls of `fit.fit`, one for each choice of hidden
   layers. Poor candidates are dropped early (`halving.py`).
2. The candidate with the lowest loss on all parts together is taken. The predictions of its members are averaged.
3. A share of the straight line on the same rows is added: the largest share whose loss on the parts is not clearly
   above the lowest. The line is the one that the network is compared with, plain or a ridge regression (`lines.py`).

With many rows, steps 1 and 2 choose on a sample of the rows, and fewer members are then trained on all of them.

The choice takes place inside the training rows, so that the loss on the rows of a fold stays honest (Varma and Simon
2006; Cawley and Talbot 2010). Averaging and early stopping by parts follow Holzmueller et al. 2024, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.passes import Pass, one_pass
from straightline.data.rows import Rows
from straightline.data.training_table import TrainingTable
from straightline.families import Family
from straightline.models import Averaged, Neural
from straightline.regression.ridge import Line
from straightline.runtime.steps import step
from straightline.training import fit
from straightline.training.choice_sample import ChoiceParts, divided
from straightline.training.lines import fitted_lines
from straightline.training.members import USUAL, Batches, Found, chosen, rescaled, trained_on_all_rows
from straightline.training.networks import built
from straightline.training.plan import CHOICE_ROWS, MEMBERS
from straightline.training.predictors import network_predictors
from straightline.training.scoring import Predictor, regression_predictor

SHARES = np.linspace(0, 1, 11)  # of the line
# The line gets the benefit of the doubt: Breiman et al. 1984, section 3.4.3, take one standard error for it. With one,
# Boston's loss rises by 7 %; with a half, by 2 %, and answers are still clearer than with none (docs/log.md).
STANDARD_ERRORS = 0.5


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
    table: TrainingTable,
    row_sets: Sequence[Fold],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    table_rows: int | None = None,
    batches: Batches = USUAL,
) -> list[Average]:
    """Return the averaged network of the training rows of each of `row_sets`. Test rows are not looked at.

    If `table` joins tables of the same size, `table_rows` is this size, and each of `row_sets` belongs to one of them.
    Raises UserError if the losses of all candidates of a set are not finite.
    """
    division = divided(table, row_sets, settings.members or MEMBERS, fit_settings.seed, table_rows)
    found = chosen(table, row_sets, division, settings, fit_settings, on_epoch)
    found = rescaled(found, settings, division.shares)
    lines = fitted_lines(table, [part.train for part in row_sets], found.penalties)
    return _averages(table, row_sets, division, found, lines, settings, fit_settings, on_epoch, batches)


def average_again(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    earlier: Sequence[Average],
    share: float,
    lines: Sequence[Line],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    batches: Batches = USUAL,
) -> list[Average]:
    """Return the averaged networks of larger sets of rows, with what was chosen for `earlier` ones.

    `share` is the number of the earlier rows divided by that of the rows now, which are more than CHOICE_ROWS. `lines`
    are the straight lines of the sets. Raises UserError if the loss of a member is not finite.
    """
    division = divided(table, row_sets, settings.members or MEMBERS, fit_settings.seed)
    chosen_before = Found(
        networks=[each.network for each in earlier],
        members=[],
        parts=division.parts,
        penalties=[line.penalty for line in lines],
        lines=[],
        effort=np.array([(each.networks, each.epochs, each.steps) for each in earlier], float),
    )
    found = rescaled(chosen_before, settings, [share] * len(row_sets))
    return _averages(table, row_sets, division, found, lines, settings, fit_settings, on_epoch, batches)


def _averages(
    table: TrainingTable,
    row_sets: Sequence[Fold],
    division: ChoiceParts,
    found: Found,
    lines: Sequence[Line],
    settings: Averaged,
    fit_settings: Fit,
    on_epoch: fit.OnEpoch,
    batches: Batches,
) -> list[Average]:
    """Return the averages of what was found on a sample, trained on all rows if there are more."""
    if division.rows > CHOICE_ROWS:
        found = trained_on_all_rows(table, row_sets, division, found, lines, settings, fit_settings, on_epoch, batches)
    shares = _shares(table, found, settings)
    return [
        Average(network, fitted, line, share, *map(int, effort))
        for network, fitted, line, share, effort in zip(
            found.networks, found.members, lines, shares, found.effort, strict=True
        )
    ]


def averaged_predictors(table: TrainingTable, averages: Sequence[Average]) -> list[Predictor]:
    """Return the predictor of each of `averages`."""
    return [averaged_predictor(item, len(table.names), table.family) for item in averages]


def averaged_predictor(item: Average, inputs: int, family: Family) -> Predictor:
    """Return the predictor of an averaged network of `inputs` columns."""
    networks = _predictors(item.network, item.members, inputs, family)
    return _blend(networks, regression_predictor(item.line, family), item.share)


def _blend(networks: Sequence[Predictor], line: Predictor, share: float) -> Predictor:
    def predict(features: NDArray) -> NDArray:
        averaged = np.mean([network(features) for network in networks], axis=0)
        return np.asarray(share * line(features) + (1 - share) * averaged)

    return predict


def _shares(table: TrainingTable, found: Found, settings: Averaged) -> list[float]:
    """Return the share of the line for each set of rows: the largest one that the losses on the parts permit."""
    if settings.line is not None:
        return [settings.line] * len(found.parts)
    family = table.family
    unit = family.loss_unit(float(table.labels.std()) or 1.0)

    def blended(network: Predictor, line: Predictor) -> Pass:
        def losses(rows: Rows) -> NDArray:
            of_network, of_line = network(rows.features), line(rows.features)
            blends = (share * of_line + (1 - share) * of_network for share in SHARES)
            predictions = (family.with_offset(blend, rows.offset) for blend in blends)
            of_rows = np.array([family.row_losses(rows.labels, prediction) for prediction in predictions])
            of_rows /= unit  # In other units the squares of losses might overflow.
            weighted = rows.weighted(of_rows.T).T
            return np.column_stack([weighted.sum(axis=1), weighted @ of_rows.T])

        return Pass(losses, np.add)

    predictors = [
        _predictors(network, fitted, len(table.names), family)
        for network, fitted in zip(found.networks, found.members, strict=True)
    ]
    passes = [
        blended(network, regression_predictor(line, table.family))
        for set_networks, set_lines in zip(predictors, found.lines, strict=True)
        for network, line in zip(set_networks, set_lines, strict=True)
    ]
    with step("shares of the straight line"):
        sums = iter(one_pass(table.source, [part for divided in found.parts for _, part in divided], passes))
    totals = [np.sum([next(sums) for _ in divided], axis=0) for divided in found.parts]
    counts = [sum(table.total(part) for _, part in divided) for divided in found.parts]
    return [_largest_share(total[:, 0], total[:, 1:], rows) for total, rows in zip(totals, counts, strict=True)]


def _largest_share(sums: NDArray, products: NDArray, rows: float) -> float:
    """Return the largest share whose loss is at most STANDARD_ERRORS standard errors above the lowest.

    `sums` `(shares,)` are the losses of all rows, and `products` `(shares, shares)` the sums of their products. The
    standard error is that of the mean difference between the losses of the same rows.
    """
    best = np.argmin(sums)
    excess = (sums - sums[best]) / rows
    squares = np.diag(products) - 2 * products[best] + products[best, best]
    errors = np.sqrt(np.maximum(squares / rows - excess**2, 0) / rows)
    return float(SHARES[excess <= STANDARD_ERRORS * errors].max())


def _predictors(network: Neural, members: Sequence[fit.Fitted], inputs: int, family: Family) -> list[Predictor]:
    model = built(network, inputs, family.outputs, str(members[0].weights[0].dtype))
    return network_predictors(model, members, family)
