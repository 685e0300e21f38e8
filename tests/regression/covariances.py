"""How tests compare a covariance with that of another program."""

import numpy as np
from numpy.typing import NDArray


def assert_same_covariance(ours: NDArray | None, known: NDArray, tolerance: float = 1e-6) -> None:
    """Compare covariances, divided by the known standard errors so that units do not count."""
    assert ours is not None
    scales = np.sqrt(np.diag(known))
    unitless = np.outer(scales, scales)
    np.testing.assert_allclose(ours / unitless, known / unitless, rtol=0, atol=tolerance)
