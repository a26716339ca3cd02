"""The Spark job, in the order that a row goes through it.

source.py ─► udf.py ─► tables.py          schema.py: every table's columns      settings.py: what a run may be told
rows          struct    staging ─► spans ─► documents              pipeline.py: one run, end to end

Inside the Python worker: udf.py ─► placement.py (which GPU) ─► tagging.py (documents ─► outcomes)
                                                               isolation.py (the same in a child process)
"""
