"""cardio-ner: diseases and medications in Spanish, English and Italian cardiology records.

`Document` and `Span` are here; `Tagger` is in `cardio_ner.tagger` (it needs torch), the Spark job in
`cardio_ner.spark` (it needs pyspark). Importing this package imports neither.
"""

from cardio_ner.document import DISEASE, LANGUAGES, MEDICATION, Document, Span

__all__ = ["DISEASE", "LANGUAGES", "MEDICATION", "Document", "Span"]
