"""A checkpoint that obeys texts which ask for their process's death: what a crash in native code looks like."""

from __future__ import annotations

DEADLY = '''
"""Shipped with --py-files: unpickling a DeadlyModel, in a worker or in its child, makes some texts kill the process."""

import os
import sys

import torch

from cardio_ner import tagger
from cardio_ner.encoder import Encoder
from cardio_ner.errors import DeviceError
from cardio_ner.spark.settings import Model

plain = tagger.Tagger.tag_counted


class DeadlyModel(Model):
    """An ordinary checkpoint."""


class FatalModel(Model):
    """A checkpoint that ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (3,)


def lose_the_gpu(*_, **__):
    raise torch.AcceleratorError("CUDA error: device-side assert triggered")


def deadly(self, documents):
    documents = list(documents)
    for document in documents:
        word, _, number = document.text.partition(" ")
        if word in ("KILL", "ONCE"):
            print(document.text, flush=True)
            print(document.text, file=sys.stderr, flush=True)
        if word == "KILL":
            os.kill(os.getpid(), int(number.split()[0]))
        if word == "EXIT":
            os._exit(0)
        if word == "RAISE":
            raise ValueError(document.text)
        if word == "FULL":
            raise DeviceError("no room")
        if word == "LOST":
            type(self.encoder.engine).logits = lose_the_gpu
        if word == "ONCE":
            try:
                os.rmdir(number)
            except FileNotFoundError:
                continue
            os._exit(1)
    yield from plain(self, documents)


tagger.Tagger.tag_counted = deadly
'''
