-- From format 2 to format 3.

-- Names that stand in receipts, by number: a receipt is written with every call, and six words a row were half of it.
CREATE TABLE name (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
INSERT INTO name (text)
    SELECT function FROM receipt UNION SELECT account FROM receipt UNION SELECT key FROM receipt
    UNION SELECT venue FROM receipt WHERE venue IS NOT NULL
    UNION SELECT deployment FROM receipt WHERE deployment IS NOT NULL;

-- `number` is the time and a part of the random bits of `id` (receipts.rs), so that the table is its own index by id
-- and by time, and new rows are appended.
CREATE TABLE receipt_3 (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL, at INTEGER NOT NULL, function INTEGER NOT NULL,
    account INTEGER NOT NULL, key INTEGER NOT NULL, status INTEGER NOT NULL, venue INTEGER, deployment INTEGER,
    charge INTEGER NOT NULL, estimate INTEGER NOT NULL, explored INTEGER NOT NULL, estimated INTEGER NOT NULL,
    duration_us INTEGER NOT NULL, overhead_us INTEGER NOT NULL,
    tags TEXT NOT NULL, -- each between newlines, or empty
    detail BLOB NOT NULL
);
-- No release wrote formats 1 and 2: the columns of their receipts are kept, their details are not.
INSERT INTO receipt_3
    SELECT at / 1000 * 32768 + (number & 32767), id, at,
        (SELECT number FROM name WHERE text = function), (SELECT number FROM name WHERE text = account),
        (SELECT number FROM name WHERE text = key),
        CASE status WHEN 'ok' THEN 0 WHEN 'function-error' THEN 1 WHEN 'refused' THEN 2 ELSE 3 END,
        (SELECT number FROM name WHERE text = venue), (SELECT number FROM name WHERE text = deployment),
        charge, estimate, explored, estimated, duration_us, overhead_us, tags, X'01000000000000'
    FROM receipt WHERE true ON CONFLICT DO NOTHING;
DROP TABLE receipt;
ALTER TABLE receipt_3 RENAME TO receipt;

DROP TABLE meter_totals;
CREATE TABLE meter_totals (month TEXT PRIMARY KEY, totals BLOB NOT NULL) WITHOUT ROWID;
