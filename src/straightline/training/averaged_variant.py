"""Training of a variant that is an averaged network: its choice in each fold, its tables, and the model to ship."""

import keras
import pandas as pd

from straightline.config.settings import Fit
from straightline.data.folds import Fold
from straightline.data.training_table import TrainingTable
from straightline.models import Averaged
from straightline.models.outputs import output_layers
from straightline.training import fit
from straightline.training.averaging import Average, average, averaged_predictors
from straightline.training.plan import CHOICE_ROWS, all_rows
from straightline.training.predictors import shipped_network
from straightline.training.records import (
    Trained,
    fold_history_table,
    fold_place,
    learning_table,
    member_history_table,
    weight_summary,
)
from straightline.training.scoring import fold_losses


def train_average(
    table: TrainingTable,
    model_settings: Averaged,
    fit_settings: Fit,
    parts: list[Fold],
    subsets: list[Fold],
    on_epoch: fit.OnEpoch,
) -> Trained:
    """Choose and train on all rows of `table`, on the training rows of the folds `parts`, and on `subsets` of them.

    Raises UserError if the losses of all candidates of a fold are not finite.
    """
    divided = [all_rows(table), *parts, *subsets]
    final, *averages = average(table, divided, model_settings, fit_settings, on_epoch)
    losses = fold_losses(table, divided[1:], averaged_predictors(table, averages))
    shipped = shipped_average(table, final)
    of_folds = averages[: len(parts)]
    candidates = model_settings.candidates(min(len(table.labels), CHOICE_ROWS))
    return Trained(
        model=shipped,
        history=member_history_table(final.members),
        folds=pd.DataFrame(
            [
                {**fold_place(part, 0), "candidates": candidates, **effort_columns(chosen), **choice_columns(chosen)}
                | {"method": "averaged", **loss}
                for part, chosen, loss in zip(parts, of_folds, losses, strict=False)
            ]
        ),
        learning=learning_table(subsets, [loss["loss"] for loss in losses[len(parts) :]]),
        weights=weight_summary(shipped, table, final.members) | {"choice": choice_columns(final)},
        messages=[],
        fold_history=fold_history_table([member for chosen in of_folds for member in chosen.members]),
    )


def choice_columns(chosen: Average) -> dict[str, str | float]:
    """Return the columns `hidden`, `learning_rate`, `l2`, `line` (the share of the line) and `line_l2`, its penalty."""
    network = chosen.network
    return {
        "hidden": "-".join(map(str, network.hidden)),
        "learning_rate": network.learning_rate,
        "l2": network.l2,
        "line": chosen.share,
        "line_l2": chosen.line.penalty,
    }


def effort_columns(chosen: Average) -> dict[str, int]:
    """Return the columns `networks`, `epochs` and `steps`: the training of all candidates."""
    return {"networks": chosen.networks, "epochs": chosen.epochs, "steps": chosen.steps}


def shipped_average(table: TrainingTable, chosen: Average) -> keras.Model:
    """Return the averaged network with all scaling inside, of Keras' own layers.

    It takes raw columns and predicts in the target's own units. Members or the line are left out if they have no share.
    """
    features = keras.Input((len(table.names),), dtype="float64", name="features")
    outputs = []
    if chosen.share < 1:
        members = [shipped_network(chosen.network, table, member) for member in chosen.members]
        for number, member in enumerate(members, start=1):
            member.name = f"member_{number}"
        averaged = keras.layers.Average(dtype="float64", name="average")([member(features) for member in members])
        outputs.append(keras.layers.Rescaling(1 - chosen.share, dtype="float64", name="share_of_average")(averaged))
    if chosen.share > 0:
        predicted = features
        layers = output_layers(table.family.outputs, table.family.activation, "float64", "line")
        for layer in layers:
            predicted = layer(predicted)
        outputs.append(keras.layers.Rescaling(chosen.share, dtype="float64", name="share_of_line")(predicted))
        coefficients = chosen.line.coefficients.reshape(-1, table.family.outputs)
        layers[0].set_weights([coefficients[1:], coefficients[0]])
    output = keras.layers.Add(dtype="float64", name="output")(outputs) if len(outputs) > 1 else outputs[0]
    return keras.Model(features, output, name="averaged")
