-- What became of every record, as it was last annotated.
WITH found AS (SELECT doc_id, count(*) AS n FROM spans_current GROUP BY doc_id)
SELECT language, status, reason, count(*) AS documents,
       sum(CASE WHEN status <> 'rejected' THEN coalesce(found.n, 0) END) AS mentions, sum(n_tokens) AS tokens
FROM documents_current LEFT JOIN found USING (doc_id)
GROUP BY language, status, reason
ORDER BY language NULLS LAST, status, reason NULLS FIRST
