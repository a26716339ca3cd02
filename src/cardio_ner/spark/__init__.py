"""The Spark job, in the order that a row goes through it.

pipeline ─► stream ─► batch: one run, its batches, one of them
source (listing, formats, fhir, omop) ─► gate ─► known ─► udf ─► tables (schema)
beside them: counts and account (nothing is lost), ledger (what is done), lock, failures, progress, settings, session

Inside the Python worker: worker ─► placement (which GPU) ─► tagging (documents ─► outcomes)
                                                             isolation (the same in a child process)
Afterwards: catalog and functions (SQL in Spark), compact
"""
