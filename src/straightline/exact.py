"""The exact optimum of a regression, in float64 on standardised columns, mapped back to the user's units."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, optimize, special, stats

from straightline.errors import UserError

NEWTON_STEPS = 100  # an optimum that exists takes about ten
SUSPICIOUS_LOG_ODDS = 25.0  # Newton's method reaches more only on its way to infinity, or nearly so
RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class Optimum:
    """The best linear predictor: `coefficients` `(1 + columns,)`, intercept first, in the columns' own units.

    `method` is `exact` or `firth`; `loss` the mean loss on the rows fitted; `covariance` that of the coefficients, None
    where it does not exist; `identified` tells which coefficients the data determine; `degrees_of_freedom` those
    of the residuals (inf for a logistic regression, whose statistic is asymptotically normal).
    """

    coefficients: NDArray
    covariance: NDArray | None
    identified: NDArray
    loss: float
    method: str
    degrees_of_freedom: float
    condition_number: float
    messages: list[str] = field(default_factory=list)

    def predict(self, features: NDArray) -> NDArray:
        """Return the linear predictor `(rows,)` of `features` `(rows, columns)`; for a binary target the log odds."""
        return np.add(self.coefficients[0], features @ self.coefficients[1:])


def optimum(features: NDArray, labels: NDArray, task: str, names: Sequence[str]) -> Optimum:
    """Return ordinary least squares (task `continuous`) or maximum likelihood (`binary`, labels 0 and 1).

    `features` is `(rows, columns)` with `names`, `labels` `(rows,)`. A constant column gets the weight 0. Collinear
    columns share the minimum-norm weights, which predict the same as any others. Where the classes are separated no
    maximum exists, and Firth's penalised estimate stands in (Heinze and Schemper 2002).
    """
    center, scale = features.mean(axis=0), features.std(axis=0)
    constant = scale <= 1e-12 * np.abs(center)
    design = np.column_stack([np.ones(len(features)), (features - center) / np.where(constant, 1.0, scale)])
    design[:, 1:][:, constant] = 0.0
    kept = np.concatenate([[True], ~constant])
    messages = [
        f"{name} is constant and carries no information" for name, flat in zip(names, constant, strict=True) if flat
    ]

    method = "exact"
    if task == "continuous":
        weights, dispersion, curvature = _least_squares(design, labels)
    else:
        dispersion = 1.0
        weights, curvature = _newton(design, labels)
        if np.abs(design @ weights).max() > SUSPICIOUS_LOG_ODDS and _separated(design, labels):
            method = "firth"
            messages.append("the classes are separated: no finite coefficients exist, Firth's estimate is used")
            weights, converged = _firth(design[:, kept], labels, kept)
            if not converged:
                messages.append("Firth's estimate has not fully converged either")
    covariance: NDArray | None
    covariance, identified, condition, rank = _covariance(curvature, dispersion, kept)
    if len(features) <= kept.sum():
        covariance = None
        messages.append(f"{len(features)} rows for {kept.sum()} coefficients: standard errors do not exist")
    elif loose := [name for name, free in zip(names, ~identified[1:] & ~constant, strict=True) if free]:
        messages.append(f"{', '.join(loose)} are collinear: their single weights are not identified")
    if method == "firth":
        covariance, identified = None, np.zeros_like(identified)

    back = np.diag(np.concatenate([[1.0], np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, scale))]))
    back[0, 1:] = -center * np.diag(back)[1:]
    return Optimum(
        coefficients=back @ weights,
        covariance=None if covariance is None else back @ covariance @ back.T,
        identified=identified,
        loss=mean_loss(design @ weights, labels, task),
        method=method,
        degrees_of_freedom=float(len(features) - rank) if task == "continuous" else np.inf,
        condition_number=condition,
        messages=messages,
    )


def mean_loss(predictor: NDArray, labels: NDArray, task: str) -> float:
    """Return the mean squared error, or for a binary task the mean cross-entropy of the log odds `predictor`."""
    if task == "continuous":
        return float(np.mean((labels - predictor) ** 2))
    return float(np.mean(np.logaddexp(0.0, np.where(labels > 0, -predictor, predictor))))


def coefficient_table(fitted: Optimum, names: Sequence[str], trained: NDArray, confidence: float) -> pd.DataFrame:
    """Return coefficients.csv: a row a term, blank where a number does not exist; `trained` is what descent reached."""
    estimate = np.where(fitted.identified, fitted.coefficients, np.nan)
    variance = np.full(len(estimate), np.nan) if fitted.covariance is None else np.diag(fitted.covariance)
    std_error = np.where(fitted.identified, np.sqrt(variance), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = estimate / std_error
    distribution = stats.t(fitted.degrees_of_freedom) if np.isfinite(fitted.degrees_of_freedom) else stats.norm()
    half = distribution.ppf((1 + confidence) / 2) * std_error
    return pd.DataFrame(
        {
            "term": ["Intercept", *names],
            "estimate": estimate,
            "std_error": std_error,
            "statistic": statistic,
            "p_value": 2 * distribution.sf(np.abs(statistic)),
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "trained": trained,
        }
    )


def _least_squares(design: NDArray, labels: NDArray) -> tuple[NDArray, float, NDArray]:
    weights = linalg.lstsq(design, labels, cond=RANK_TOLERANCE)[0]
    freedom = max(len(design) - np.linalg.matrix_rank(design, rtol=RANK_TOLERANCE), 1)
    return weights, float(np.sum((labels - design @ weights) ** 2) / freedom), design


def _newton(design: NDArray, labels: NDArray) -> tuple[NDArray, NDArray]:
    weights = np.zeros(design.shape[1])
    loss = mean_loss(design @ weights, labels, "binary")
    root = design
    for _ in range(NEWTON_STEPS):
        probability = special.expit(design @ weights)
        spread = np.sqrt(np.maximum(probability * (1 - probability), 1e-300))
        root = spread[:, np.newaxis] * design
        step = linalg.lstsq(root, (labels - probability) / spread, cond=RANK_TOLERANCE)[0]
        decrement = float(step @ (design.T @ (labels - probability))) / len(labels)
        if decrement < 1e-14:
            break
        while (shorter := mean_loss(design @ (weights + step), labels, "binary")) > loss and np.abs(step).max() > 1e-12:
            step = step / 2
        weights, loss = weights + step, shorter
    return weights, root


def _separated(design: NDArray, labels: NDArray) -> bool:
    """Tell whether a direction exists that no row contradicts and some row favours (Konis 2007)."""
    signed = np.where(labels > 0, 1.0, -1.0)[:, np.newaxis] * design
    found = optimize.linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1))
    return bool(found.status == 0 and -found.fun > 1e-6)


def _firth(design: NDArray, labels: NDArray, kept: NDArray) -> tuple[NDArray, bool]:
    from firthmodels import FirthLogisticRegression

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of no convergence, which the result tells too
        model = FirthLogisticRegression(max_iter=1000).fit(design[:, 1:], labels)
    if not np.isfinite(model.coef_).all():
        raise UserError("the classes are separated and Firth's regression has no finite answer; leave columns out")
    weights = np.zeros(len(kept))
    weights[kept] = np.concatenate([np.atleast_1d(model.intercept_), np.ravel(model.coef_)])
    return weights, bool(model.converged_)


def _covariance(curvature: NDArray, dispersion: float, kept: NDArray) -> tuple[NDArray, NDArray, float, int]:
    """Invert the curvature's Gram matrix; a weight with a part in the null space is not identified."""
    _, singular, right = linalg.svd(linalg.qr(curvature[:, kept], mode="r")[0], full_matrices=False)
    sound = singular > RANK_TOLERANCE * singular[0]
    inverse = (right[sound].T / singular[sound] ** 2) @ right[sound]
    covariance, identified = np.zeros((len(kept), len(kept))), kept.copy()
    covariance[np.ix_(kept, kept)] = dispersion * inverse
    loose = ~sound
    if right.shape[0] < right.shape[1]:
        identified[:] = False
    elif loose.any():
        identified[kept] = (np.abs(right[loose]) < 1e-8).all(axis=0)
    identified[0] &= identified[kept].all()  # the intercept at zero depends on every other weight
    condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
    return covariance, identified, condition, int(sound.sum())
