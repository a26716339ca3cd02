"""The HTML report of a run: one file that needs nothing else. No torch, no Spark.

tables ─► counts, run.json ─► charts ─┐
tables, notes ─► reader ──────────────┴─► template ─► one file
"""
