"""Is a straight line enough for your table, or do you need a neural network?

The names here are imported when they are first used, so that `import straightline` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from straightline.errors import UserError
    from straightline.interface.comparing import compare
    from straightline.interface.comparison import Comparison, load
    from straightline.interface.gain import Gain
    from straightline.interface.network import Network
    from straightline.interface.regression import Regression
    from straightline.interface.verdict import Verdict, verdict

__version__ = "0.1.0"
__all__ = ["Comparison", "Gain", "Network", "Regression", "UserError", "Verdict", "compare", "load", "verdict"]

_HOMES = {
    "Comparison": "interface.comparison",
    "Gain": "interface.gain",
    "Network": "interface.network",
    "Regression": "interface.regression",
    "UserError": "errors",
    "Verdict": "interface.verdict",
    "compare": "interface.comparing",
    "load": "interface.comparison",
    "verdict": "interface.verdict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'straightline' has no attribute {name!r}")
    return getattr(importlib.import_module(f"straightline.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
