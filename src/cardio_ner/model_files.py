"""The files of a Hugging Face model's folder: which there are, whether they are whole, what config.json says.

Contract
- Weights are not loaded: of a safetensors file the header is read, which says how long the file must be.
- A file that is missing, cut short or of another form than expected is a CheckpointError that names it. (What
  transformers alone can tell of it shows when the model is loaded.)
- A tokenizer is what `tokenizer_files` names. Where `runs_as_it_is` is false transformers reads more than those:
  `tokenizer_inputs` has all that its pieces depend on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from cardio_ner.errors import CheckpointError

PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Classes of transformers 4 and 5 that run tokenizer.json as it is."""
TOKENIZER_SETTINGS = "tokenizer_config.json"
SETTINGS_OF_OTHERS = (TOKENIZER_SETTINGS, "added_tokens.json", "special_tokens_map.json")
"""What any other class reads beside the tokenizer: they can change its pieces."""
COUNT_FROM_PADDING = {
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet",
    "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip
"""Types of model whose first position is the padding's id and one."""


def read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file. Raises CheckpointError where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{path.parent}: no {path.name}: expected a Hugging Face model directory") from None
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{path}: not JSON ({error.msg} at line {error.lineno}): expected the whole file; copy it again"
        ) from None
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{path}: byte {error.start} is not UTF-8: expected JSON in UTF-8; save it again in that encoding"
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: expected a JSON object")
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """config.json; the numbers of it that are used here are numbers."""
    config = read_json(folder / "config.json")
    for key in ("max_position_embeddings", "pad_token_id"):
        if not isinstance(config.get(key), int | None):
            raise CheckpointError(f"{folder}/config.json: {key} {config[key]!r:.60}: expected a whole number or null")
    return config


def check_files(folder: Path) -> None:
    """Weights that are whole (their header says how long they are), and a tokenizer. Nothing is loaded."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise CheckpointError(f"{folder}: no safetensors: save the model with save_pretrained (pickles are refused)")
    for file in weights:
        try:
            with safe_open(file, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{file}: no whole safetensors file ({type(error).__name__}): copy it again; of git-lfs, expected the "
                "file itself (git lfs pull)"
            ) from None
    if not [*tokenizer_files(folder)]:
        raise CheckpointError(
            f"{folder}: no tokenizer: expected tokenizer.json beside the weights (tokenizer.save_pretrained)"
        )
    tokenizer_settings(folder)


def tokenizer_files(folder: Path) -> Iterable[Path]:
    """Of a model's folder: tokenizer.json says all; without it, the slow tokenizer's files."""
    whole = folder / "tokenizer.json"
    return [whole] if whole.exists() else [*folder.glob("vocab*"), *folder.glob("merges.txt"), *folder.glob("*.model")]


def tokenizer_settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json; empty where there is none."""
    file = folder / TOKENIZER_SETTINGS
    return read_json(file) if file.exists() else {}


def runs_as_it_is(folder: Path) -> bool:
    """Is tokenizer.json all of the tokenizer? Of an unknown class it is not known: transformers reads more for some."""
    return (folder / "tokenizer.json").exists() and tokenizer_settings(folder).get(
        "tokenizer_class"
    ) in PLAIN_TOKENIZERS


def tokenizer_inputs(folder: Path) -> list[Path]:
    """The files that what the tokenizer does depends on."""
    read_too = () if runs_as_it_is(folder) else SETTINGS_OF_OTHERS
    return [*tokenizer_files(folder), *(file for name in read_too if (file := folder / name).exists())]


def labels_of(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """The head's labels in order, from config.json."""
    id2label = config.get("id2label")
    if not id2label:
        raise CheckpointError(f"{folder}/config.json: no id2label: expected a token-classification model")
    by_place = [str(place) for place in range(len(id2label))] if isinstance(id2label, dict) else []
    labels = tuple(id2label.get(place) for place in by_place)
    if not labels or not all(isinstance(label, str) for label in labels):
        raise CheckpointError(
            f'{folder}/config.json: id2label {id2label!r:.60}: expected names by number, from 0 on: {{"0": "O", "1": '
            '"B-DISEASE", …}; mend it there'
        )
    return labels


def positions_of(config: dict[str, Any]) -> int | None:
    """The tokens that the model has positions for; None where it has no such limit. RoBERTa and its kin count theirs
    from after the padding's id on."""
    positions: int | None = config.get("max_position_embeddings")
    if positions is None:
        return None
    kind, padding = config.get("model_type"), config.get("pad_token_id")
    padding = 1 if padding is None or kind == "mpnet" else int(padding)  # MPNet's code says 1, whatever its config does
    return positions - (padding + 1 if kind in COUNT_FROM_PADDING else 0)
