"""The pictures of predictions on held-out rows that a family asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from straightline.report import held_out
from straightline.report.pictures import amounts, classes
from straightline.report.pictures.canvas import HEIGHT, WIDTH, Panel
from straightline.report.pictures.classes import Classes
from straightline.serving.held_out import HeldOut


@dataclass(frozen=True)
class Drawing:
    """A `panel` of the `kind` of a family's picture, and its size in inches; `model` is None if it shows all models."""

    kind: str
    model: str | None
    panel: Panel
    width: float = WIDTH
    height: float = HEIGHT


def drawings(
    pictures: Sequence[str],
    models: Sequence[tuple[str, HeldOut]],
    names: Classes | None = None,
    is_logarithmic: bool = False,
) -> list[Drawing]:
    """Return the drawings of a family's `pictures`, in their order. `names` are those of the target's classes, or None.

    Some pictures have a panel for each model, others one panel for all models. A ROC curve needs rows of two classes.
    With `is_logarithmic`, axes of numbers with a wide range are so.
    """
    return [drawing for kind in pictures for drawing in _of_kind(kind, models, names, is_logarithmic)]


def _of_kind(
    kind: str, models: Sequence[tuple[str, HeldOut]], names: Classes | None, is_logarithmic: bool
) -> Iterator[Drawing]:
    if names is not None:
        yield from _of_classes(kind, models, names)
    elif kind == "calibration":
        yield Drawing(kind, None, amounts.calibration(models, is_logarithmic))
    else:
        for number, (name, _) in enumerate(models):
            is_truth = kind == "truth"
            panel = amounts.truth(models, number, is_logarithmic) if is_truth else amounts.residuals(models, number)
            yield Drawing(kind, name, panel)


def _of_classes(kind: str, models: Sequence[tuple[str, HeldOut]], names: Classes) -> Iterator[Drawing]:
    has_curves = kind != "roc" or bool(held_out.class_curves(models[0][1]))
    if kind == "confusion":
        size = classes.confusion_size(names.names)
        for name, rows in models:
            yield Drawing(kind, name, classes.confusion(name, rows, names.names), *size)
    elif names.are_two and has_curves:
        panel = classes.roc(models) if kind == "roc" else classes.reliability(models)
        yield Drawing(kind, None, panel)
    elif has_curves:
        by_class = classes.roc_by_class if kind == "roc" else classes.reliability_by_class
        for name, rows in models:
            yield Drawing(kind, name, by_class(name, rows, names))
