"""Where a run's numbers go as they come, beside `history.json`: TensorBoard, for a recipe that asks for it.

Contract: what is reported stays on this machine. Most other reporters of transformers send a run's paths and settings
to a server: none of them is offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from cardio_ner.errors import ConfigError

Reporter = Literal["tensorboard"]


def check_reporters(reporters: Sequence[Reporter]) -> None:
    """Raise ConfigError where a reporter's package is not installed: it is none of this project's requirements."""
    from transformers.integrations.integration_utils import is_tensorboard_available

    if "tensorboard" in reporters and not is_tensorboard_available():
        raise ConfigError("report_to tensorboard: expected its package: pip install tensorboard, or leave it out")
