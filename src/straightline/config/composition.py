"""Compose the config from conf/ with Hydra, exactly as `dvc exp run` does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from straightline.errors import UserError

CONF = Path(__file__).parent / "conf"  # The conf/ of the repository, or its copy in the package.


def render(conf: Path, overrides: Sequence[str] = (), values: Mapping[str, Any] | None = None) -> str:
    """Return the YAML that `conf/config.yaml` composes to.

    `overrides` use Hydra's syntax. `values` maps dotted keys to values, which are set without any parsing. Raises
    UserError if Hydra cannot compose the config.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        config = _composed(conf, overrides)
        for key, value in (values or {}).items():
            OmegaConf.update(config, key, _literal(value))
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise UserError(f"conf: no value for {', '.join(missing)}; set it in conf/ or with `dvc exp run -S`")
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException, ValueError, yaml.YAMLError) as error:
        raise UserError(f"conf: Hydra cannot compose the config: {' '.join(str(error).split())}") from None
    return OmegaConf.to_yaml(config)


def choices(conf: Path, overrides: Sequence[str] = ()) -> dict[str, str]:
    """Return the file that the config takes from each group of `conf`, such as `model@models.neural: neural`."""
    return dict(_composed(conf, overrides, return_hydra_config=True).hydra.runtime.choices)


def _composed(conf: Path, overrides: Sequence[str], return_hydra_config: bool = False) -> Any:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(conf.resolve()), version_base=None):
        return compose(config_name="config", overrides=list(overrides), return_hydra_config=return_hydra_config)


def _literal(value: Any) -> Any:
    """Escape `value`, so that OmegaConf does not take any part of it as an interpolation."""
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested mappings by their dotted keys."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        is_inner = isinstance(value, Mapping) and len(value) > 0
        leaves |= flattened(value, f"{prefix}{key}.") if is_inner else {f"{prefix}{key}": value}
    return leaves
