"""The training package: recipe → corpus → windows → Trainer → checkpoint with its manifest.

It imports cardio_ner and is never imported by it. The scripts beside this folder (`train.py`, `evaluate.py`) are the
commands; what they do is here.
"""
