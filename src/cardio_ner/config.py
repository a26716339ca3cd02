"""YAML files checked by pydantic models: the job's settings and training's recipes are read by this one function."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError

from cardio_ner.errors import ConfigError

Config = TypeVar("Config", bound=BaseModel)


class _EachKeyOnce(yaml.SafeLoader):
    """Of a key that stands there twice, yaml would take the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises ConstructorError for a key that was there before."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ConstructorError(None, None, f"{key.value!r:.60} stands there twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_config(path: Path | None, model: type[Config], overrides: dict[str, Any], *, example: str) -> Config:
    """The values of a YAML file (none: the defaults) with `overrides` on top, as `model`; `outer.inner` overrides a key
    of a key.

    `example` names a file that shows how it is done. Raises ConfigError naming the key, what was expected, what came.
    """
    return checked(path, model, read_values(path, example=example), overrides)


def read_values(path: Path | None, *, example: str) -> dict[str, Any]:
    """The values of a YAML file as they stand there; none without a file. Raises ConfigError."""
    values: Any = {}
    if path is not None:
        try:
            values = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such file: see {example}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({type(error).__name__}): expected YAML in UTF-8") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, as in {example}")
    return values


def checked(path: Path | None, model: type[Config], values: dict[str, Any], overrides: dict[str, Any]) -> Config:
    """The values of that file with `overrides` on top, as `model`. Raises ConfigError."""
    try:
        return model.model_validate(_overridden(values, overrides))
    except ValidationError as error:
        raise ConfigError(f"{path or 'command line'}: {explain(error)}") from None


def _overridden(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """The values with the overrides; an outer key that is no mapping is left for the model to refuse."""
    merged = dict(values)
    for key, value in overrides.items():
        outer, dot, inner = key.partition(".")
        if dot and isinstance(merged.get(outer), dict):
            merged[outer] = merged[outer] | {inner: value}
        else:
            merged[key] = value
    return merged


def explain(error: ValidationError) -> str:
    """pydantic's findings in one line: where, what was expected, what came."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']} (got {item['input']!r:.80})"
        for item in error.errors()
    )
