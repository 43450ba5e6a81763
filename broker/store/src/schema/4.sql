-- From format 3 to format 4.

-- Events, which are acknowledged first and delivered afterwards.
-- state: 0 queued, 1 dead letter, 2 delivered. next_at: when it is due; for one that has ended, when it ended.
CREATE TABLE event (
    id BLOB PRIMARY KEY, state INTEGER NOT NULL, next_at INTEGER NOT NULL, at INTEGER NOT NULL,
    function TEXT NOT NULL,
    url TEXT, -- where a destination's record is posted; NULL when the function is called
    account TEXT NOT NULL, key TEXT NOT NULL,
    max_age_us INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    deliveries INTEGER NOT NULL, function_errors INTEGER NOT NULL, refusals INTEGER NOT NULL,
    bytes INTEGER NOT NULL, error TEXT
) WITHOUT ROWID;
CREATE INDEX event_state ON event (state, next_at);
-- Apart, so that neither a delivery nor a list touches the pages of a payload. Gone once the event is delivered.
CREATE TABLE event_body (id BLOB PRIMARY KEY, envelope TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE event_delivery (
    event BLOB NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, invocation BLOB, result TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (event, number)
) WITHOUT ROWID;
