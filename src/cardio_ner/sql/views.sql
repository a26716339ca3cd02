-- The views over the tables `documents` and `spans`: three statements that Spark SQL and DuckDB take as they stand.
--
-- They name their columns, order nulls and cast explicitly wherever the two dialects' defaults differ.


-- Each document's latest committed row, with the columns of `documents`; of rows without doc_id, which are nobody's, each.
--   * A batch is committed by its rows in `documents`, which are written last: a half-written one is not seen.
--   * The latest row is the one annotated last; of one batch, the one whose source was modified last; then, so that the
--     answer is the same in any order of rows, one that was tagged, then a readable one, and the rest by value. (`batch_id` has no say but
--     between equal texts: compaction changes it.)
--   * What stands for a file, not for a document, goes when the file was read again: the row of an unreadable file once
--     rows of the file came later; rows without doc_id once the file came later as another version, or with such rows.
--     (`--retry failed` reads a file of the same version for its failed documents alone, so it takes none away.)
CREATE OR REPLACE TEMPORARY VIEW documents_current AS
WITH read_again AS (
    SELECT source_file, source_modified_at, doc_id IS NULL AS is_nobodys, max(annotated_at) AS annotated_at
    FROM documents
    WHERE reason IS DISTINCT FROM 'unreadable_file'
      AND source_file IN (
        SELECT /*+ BROADCAST(f) */ source_file FROM documents AS f WHERE doc_id IS NULL OR reason = 'unreadable_file'
      )
    GROUP BY source_file, source_modified_at, doc_id IS NULL
)
SELECT *
FROM documents AS d
WHERE doc_id IS NOT NULL
  AND NOT EXISTS (
    SELECT /*+ BROADCAST(r) */ 1 FROM read_again AS r
    WHERE r.source_file = d.source_file AND d.reason = 'unreadable_file' AND r.annotated_at > d.annotated_at
  )
QUALIFY row_number() OVER (
    PARTITION BY doc_id
    ORDER BY annotated_at DESC NULLS LAST, source_modified_at DESC NULLS LAST,
             CASE status WHEN 'annotated' THEN 0 WHEN 'unchanged' THEN 1 ELSE 2 END,
             text_sha256 NULLS LAST, language NULLS LAST, model_id NULLS LAST,
             coalesce(source_batch, batch_id) DESC, source_file NULLS LAST
) = 1
UNION ALL
SELECT *
FROM documents AS d
WHERE doc_id IS NULL
  AND NOT EXISTS (
    SELECT /*+ BROADCAST(r) */ 1 FROM read_again AS r
    WHERE r.source_file = d.source_file AND r.annotated_at > d.annotated_at
      AND (r.is_nobodys OR r.source_modified_at IS DISTINCT FROM d.source_modified_at)
  );


-- The mentions of `documents_current`, with the columns of `spans`.
--   * A rejected row has no model_id, hence no mentions.
--   * `source_batch` names the batch that holds a row's mentions where that is not its own (`unchanged`, compaction).
--   * Text, language and model are part of the key: two of them under one doc_id in one batch do not mix.
CREATE OR REPLACE TEMPORARY VIEW spans_current AS
SELECT s.doc_id, s.text_sha256, s.start_offset, s.end_offset, s.text, s.score, s.model_id,
       s.language, s.entity_type, s.batch_id
FROM spans AS s
JOIN documents_current AS d
  ON s.doc_id = d.doc_id AND s.batch_id = coalesce(d.source_batch, d.batch_id)
 AND s.text_sha256 = d.text_sha256 AND s.language = d.language AND s.model_id = d.model_id;


-- NOTE_NLP of the OMOP Common Data Model 5.4: its fourteen columns in its order
-- (github.com/OHDSI/CommonDataModel, inst/ddl/5.4), one row per row of spans_current.
--   note_nlp_id      60 bits of the MD5 of what identifies a mention, the same in every run and engine: of the hexadecimal
--                    digits, one stands for 0-7 and eighteen for 0-9, which needs no conversion function that only one
--                    dialect has. Two of a hundred million mentions share one with a probability of 0.3 %.
--   note_id          doc_id where it is an integer in its plain form ('7', not '007' or '7.0'), else null: such a row has
--                    its doc_id in term_modifiers, so that nothing is lost; load only rows with a note_id. BIGINT, as
--                    the hash needs and as large sites have it; the CDM says `integer`, which its BigQuery form widens.
--   snippet          null: the words around a mention stay in the record, under the record's access rules.
--   offset           the start, in code points from 0. Write t.offset in a query: both dialects take it, bare or not.
--   lexical_variant  the mention as it stands in the record, cut to the CDM's 250 characters.
--   *_concept_id     0, the CDM's "no matching concept": mentions are found, not coded. Sections are not looked for.
--   nlp_*            of the run that found the mention, not of those that saw its document unchanged.
--   term_exists, term_temporal  null: negation, subject and time are not judged ("no fever" mentions a fever).
CREATE OR REPLACE TEMPORARY VIEW note_nlp AS
WITH tagged AS (
    SELECT doc_id, text_sha256, language, model_id, batch_id,
           max(annotator_version) AS annotator_version, max(annotated_at) AS annotated_at
    FROM documents
    WHERE status = 'annotated' AND source_batch IS NULL
    GROUP BY doc_id, text_sha256, language, model_id, batch_id
),
mentions AS (
    SELECT s.doc_id, s.text, s.start_offset, s.entity_type, s.model_id, d.annotator_version,
           CAST(d.annotated_at AS TIMESTAMP) AS annotated_at,
           CASE WHEN CAST(TRY_CAST(s.doc_id AS BIGINT) AS STRING) = s.doc_id
                THEN TRY_CAST(s.doc_id AS BIGINT) END AS note_id,
           md5(concat_ws('/', s.text_sha256, s.model_id, s.entity_type, CAST(s.start_offset AS STRING),
                         CAST(s.end_offset AS STRING), s.doc_id)) AS digest
    FROM spans_current AS s
    LEFT JOIN tagged AS d
      ON d.doc_id = s.doc_id AND d.batch_id = s.batch_id
     AND d.text_sha256 = s.text_sha256 AND d.language = s.language AND d.model_id = s.model_id
)
SELECT CAST(concat(translate(substr(digest, 1, 1), '89abcdef', '01234567'),
                   translate(substr(digest, 2, 18), 'abcdef', '012345')) AS BIGINT) AS note_nlp_id,
       note_id,
       CAST(NULL AS INTEGER) AS section_concept_id,
       CAST(NULL AS STRING) AS snippet,
       CAST(start_offset AS STRING) AS offset,
       substr(text, 1, 250) AS lexical_variant,
       0 AS note_nlp_concept_id,
       0 AS note_nlp_source_concept_id,
       concat_ws(' ', 'cardio-ner', annotator_version, model_id) AS nlp_system,
       CAST(annotated_at AS DATE) AS nlp_date,
       annotated_at AS nlp_datetime,
       CAST(NULL AS STRING) AS term_exists,
       CAST(NULL AS STRING) AS term_temporal,
       CASE WHEN note_id IS NULL THEN concat('entity_type=', entity_type, ',doc_id=', doc_id)
            ELSE concat('entity_type=', entity_type) END AS term_modifiers
FROM mentions;
