"""The certificate of a regression: how far gradient descent came to the exact optimum (certificate.json)."""

from dataclasses import dataclass

from straightline.runtime.contracts import Contract

CONVERGED = 1e-3  # a descent has converged when its loss exceeds the optimum by less than this share of it


@dataclass(frozen=True)
class Certificate(Contract):
    """How far gradient descent came to the exact optimum, and what a user should know of that (certificate.json).

    `loss` is the name of the loss, `method` that of the `Optimum`, `gap` the descent's loss less the exact one. The
    descent has `converged` where the gap is at most the share `tolerance` of the exact loss. `digits` are those that
    agree in the worst coefficient, None where none is identified; `condition_number` is None where it is infinite.
    `standard_errors` names their kind.
    """

    loss: str
    method: str
    rows: int
    descent_loss: float
    exact_loss: float
    gap: float
    tolerance: float
    converged: bool
    digits: float | None
    condition_number: float | None
    standard_errors: str
    messages: list[str]
    fold_messages: list[str]
