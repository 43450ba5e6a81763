-- From format 1 to format 2.

-- The secret of a key that signs requests (AWS's Signature Version 4), encrypted: verifying needs the secret itself.
-- NULL for a key that is sent whole.
ALTER TABLE api_key ADD COLUMN sealed_secret BLOB;

-- Live prices: every sheet that a price feed put in force, from `since` until the next one's. The first of each name
-- is the built-in sheet it took the place of, since 0.
CREATE TABLE catalog_sheet (
    name TEXT NOT NULL, seq INTEGER NOT NULL, since INTEGER NOT NULL, confirmed_at INTEGER NOT NULL,
    feed TEXT NOT NULL,
    accepted_by TEXT NOT NULL, -- the key of the person who looked, or empty
    changes TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (name, seq)
) WITHOUT ROWID;
-- Live prices that wait for a person.
CREATE TABLE catalog_held (
    name TEXT PRIMARY KEY, at INTEGER NOT NULL, feed TEXT NOT NULL, reasons TEXT NOT NULL,
    body TEXT -- NULL when there is no usable sheet
) WITHOUT ROWID;
CREATE TABLE catalog_feed (feed TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
