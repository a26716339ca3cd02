"""YAML files checked by pydantic models: the job's settings and training's recipes are read by this one function."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cardio_ner.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)


def read_config(path: Path | None, model: type[Config], overrides: dict[str, Any], *, example: str) -> Config:
    """The values of a YAML file (none: the defaults) with `overrides` on top, as `model`.

    `example` names a file that shows how it is done. Raises ConfigError naming the key, what was expected, what came.
    """
    values: Any = {}
    if path is not None:
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such file: see {example}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, as in {example}")
    try:
        return model.model_validate(values | overrides)
    except ValidationError as error:
        raise ConfigError(f"{path or 'command line'}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """pydantic's findings in one line: where, what was expected, what came."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']} (got {item['input']!r:.80})"
        for item in error.errors()
    )
