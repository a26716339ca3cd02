"""Files and Documents: brat and TSV standoff annotation, and the official MultiCardioNER layout.

A reader keeps every mention of its files; what a flat tagger cannot carry is counted by `standoff.audit`.
"""
