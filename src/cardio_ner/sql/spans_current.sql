-- The mentions of each document's latest committed row: none after a rejection, none of a half-written batch.
-- Over the tables `documents` and `spans`; the same text in Spark SQL and in DuckDB.
CREATE OR REPLACE TEMPORARY VIEW spans_current AS
WITH latest AS (
    SELECT doc_id, batch_id, status,
           row_number() OVER (PARTITION BY doc_id ORDER BY annotated_at DESC, batch_id) AS recency
    FROM documents
)
SELECT spans.*
FROM spans
JOIN latest
  ON latest.doc_id = spans.doc_id AND latest.batch_id = spans.batch_id
WHERE latest.recency = 1 AND latest.status = 'annotated'
