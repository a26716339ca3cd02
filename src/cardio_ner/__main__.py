"""`python -m cardio_ner`: the command line."""

from cardio_ner.cli import app

app(prog_name="cardio-ner")
