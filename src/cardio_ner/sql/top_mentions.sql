-- The five most frequent mentions of each language and type.
SELECT language, entity_type, mention, mentions, records
FROM (
    SELECT language, entity_type, lower(text) AS mention,
           count(*) AS mentions, count(DISTINCT doc_id) AS records,
           row_number() OVER (
               PARTITION BY language, entity_type
               ORDER BY count(*) DESC, lower(text)
           ) AS place
    FROM spans_current
    GROUP BY language, entity_type, lower(text)
) AS counted
WHERE place <= 5
ORDER BY language, entity_type, place
