-- merit.db, format 1, from which later formats are steps. Times are microseconds since 1970 (UTC); money is picodollars.

CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE function (name TEXT PRIMARY KEY, spec TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE deployment (
    function TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL,
    PRIMARY KEY (function, name)
) WITHOUT ROWID;
CREATE TABLE profile (
    function TEXT NOT NULL, deployment TEXT NOT NULL, profile BLOB NOT NULL,
    PRIMARY KEY (function, deployment)
) WITHOUT ROWID;

-- Every sheet a venue ever published; the highest seq is in force once it is valid.
CREATE TABLE sheet (
    venue TEXT NOT NULL, seq INTEGER NOT NULL, valid_from INTEGER NOT NULL, stored_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (venue, seq)
) WITHOUT ROWID;

CREATE TABLE api_key (
    id TEXT PRIMARY KEY, secret_hash BLOB NOT NULL, account TEXT NOT NULL, roles TEXT NOT NULL, note TEXT NOT NULL,
    created_at INTEGER NOT NULL, revoked_at INTEGER
);

-- The ledger's accounts by number: kind 0 callers, 1 venues. The journal knows only numbers.
CREATE TABLE ledger_account (
    kind INTEGER NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (kind, number), UNIQUE (kind, name)
) WITHOUT ROWID;
-- One row: the ledger before the first record of journal segment `segment`, which has number `sequence`.
CREATE TABLE ledger_checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), segment INTEGER NOT NULL, sequence INTEGER NOT NULL, state BLOB NOT NULL
);

CREATE TABLE receipt (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, at INTEGER NOT NULL, function TEXT NOT NULL,
    account TEXT NOT NULL, key TEXT NOT NULL, status TEXT NOT NULL, venue TEXT, deployment TEXT,
    charge INTEGER NOT NULL, estimate INTEGER NOT NULL, explored INTEGER NOT NULL, estimated INTEGER NOT NULL,
    duration_us INTEGER NOT NULL, overhead_us INTEGER NOT NULL,
    tags TEXT NOT NULL, -- each between newlines, or empty
    detail BLOB NOT NULL
);
CREATE INDEX receipt_at ON receipt (at);

CREATE TABLE idempotency (
    account TEXT NOT NULL, key TEXT NOT NULL, request_hash BLOB NOT NULL, invocation BLOB NOT NULL,
    run INTEGER NOT NULL, -- which start of the broker claimed it
    response BLOB,        -- NULL while in flight
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX idempotency_expiry ON idempotency (expires_at);

CREATE TABLE meter_totals (month TEXT PRIMARY KEY, totals BLOB NOT NULL, receipts_through INTEGER NOT NULL) WITHOUT ROWID;
