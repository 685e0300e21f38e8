"""All results as JSON, as `straightline show --json` prints them."""

import json
from typing import Any

import pandas as pd

from straightline.comparison.verdict import Verdict
from straightline.results.files import Results, Variant


def as_text(results: Results) -> str:
    """Return what `straightline show --json` prints."""
    return json.dumps(as_dict(results), indent=1, allow_nan=False)


def as_dict(results: Results) -> dict[str, Any]:
    """Return the content of `straightline show --json`: verdicts, models, coefficients, warnings and report path."""
    return {
        "targets": {
            target: {
                "verdict": verdict.to_json(),
                "models": {variant.model: _model(variant, verdict) for variant in results.variants_of(target)},
            }
            for target, verdict in results.verdicts.items()
        },
        "warnings": results.schema.warnings,
        "report": str(results.root / "reports/index.html"),
    }


def _model(variant: Variant, verdict: Verdict) -> dict[str, Any]:
    weights = variant.weights
    coefficients, certificate = variant.coefficients, variant.certificate
    return {
        "cross_validated_loss": verdict.losses[variant.model],
        "held_out": dict(variant.metrics),
        "epochs": weights["epochs"],
        "parameters": weights["parameters"],
        "fits": verdict.fits[variant.model],
        "l2": weights.get("l2"),
        "coefficients": None if coefficients is None else _records(coefficients),
        "certificate": None if certificate is None else certificate.to_json(),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    with_nulls = table.astype(object).where(table.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in with_nulls.to_dict("records")]
