"""The certificate of a regression: how close gradient descent came to the exact optimum (certificate.json)."""

from dataclasses import dataclass

from straightline.runtime.contracts import Contract

CONVERGED = 1e-3  # A descent has converged if its loss exceeds the exact loss by at most this share of the exact loss.


@dataclass(frozen=True)
class Certificate(Contract):
    """How close gradient descent came to the exact optimum, with messages for the user (certificate.json).

    `loss` is the name of the loss, and `method` the method of the `Optimum`. `gap` is the loss of the descent minus
    the exact loss. The descent has `converged` if the gap is at most the share `tolerance` of the exact loss. `digits`
    is the number of agreeing digits in the worst coefficient, or None if no coefficient is identified.
    `condition_number` is None if it is infinite. `standard_errors` names their kind. `dispersion` is that
    of the `Optimum`, for labels whose variance is compared with that of their family, or None.
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
    dispersion: float | None = None
