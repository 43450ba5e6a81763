-- From format 6 to format 7.

-- What providers billed, as it was imported: one row for each service of a bill and period. begins and ends are the
-- period's; digest is of the figures, to tell a repeat from another bill. posted: 0 until the corrections are in the ledger
-- and among the receipts.
CREATE TABLE reconciliation (
    venue TEXT NOT NULL, resource TEXT NOT NULL, begins INTEGER NOT NULL, ends INTEGER NOT NULL,
    digest BLOB NOT NULL, at INTEGER NOT NULL, posted INTEGER NOT NULL, outcome TEXT NOT NULL,
    PRIMARY KEY (venue, resource, begins)
) WITHOUT ROWID;
