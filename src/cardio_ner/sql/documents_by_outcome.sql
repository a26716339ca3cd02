-- What became of every record.
SELECT language, status, reason, count(*) AS documents,
       sum(n_spans) AS mentions, sum(n_tokens) AS tokens
FROM documents
GROUP BY language, status, reason
ORDER BY language NULLS LAST, status, reason NULLS FIRST
