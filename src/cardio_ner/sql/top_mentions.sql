-- The five most frequent mentions of each language and type.
-- (nfc_normalize, which is DuckDB's, makes accents alike; Spark needs a function of that name.)
SELECT language, entity_type, mention, mentions, records
FROM (
    SELECT language, entity_type, nfc_normalize(lower(text)) AS mention,
           count(*) AS mentions, count(DISTINCT doc_id) AS records,
           row_number() OVER (
               PARTITION BY language, entity_type
               ORDER BY count(*) DESC, nfc_normalize(lower(text))
           ) AS place
    FROM spans_current
    GROUP BY language, entity_type, nfc_normalize(lower(text))
) AS counted
WHERE place <= 5
ORDER BY language, entity_type, place
