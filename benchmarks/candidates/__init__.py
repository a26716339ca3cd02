"""What is measured: each module is one candidate, run as a child process (`python -m candidates NAME TASK`).

bare ─► the encoder alone, and the chip's matrix rate
tagger ─► job: ours, without Spark and with it
recipe ─► transformers' pipeline in a pandas UDF; eds ─► EDS-NLP on its Spark backend
beside them: protocol (what parent and child say), sparks (one session for all), flops

Contract: the modules need no more than their own environment has; eds, sparks and protocol run without cardio_ner.
"""
