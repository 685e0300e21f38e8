"""The points of a sweep as trials: what each is known by, and what it came to."""

from collections.abc import Sequence
from typing import Any

from straightline.config import Config
from straightline.errors import UserError
from straightline.space import Point, Space, digest
from straightline.sweep import OnProgress, Scored, Trainer


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
