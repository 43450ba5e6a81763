-- From format 4 to format 5.

-- The venues that a provider's key acts for, between commas; empty for a key that acts for none.
ALTER TABLE api_key ADD COLUMN venues TEXT NOT NULL DEFAULT '';

-- What a provider said that outlives a restart: where it is called, its caps, its kill switches, what is known of it.
-- The secret its calls are signed with, encrypted: signing needs the secret itself.
CREATE TABLE provider (venue TEXT PRIMARY KEY, state TEXT NOT NULL, sealed_secret BLOB) WITHOUT ROWID;
