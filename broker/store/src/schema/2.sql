-- From format 1 to format 2.

-- The secret of a key that signs requests (AWS's Signature Version 4), encrypted: verifying needs the secret itself.
-- NULL for a key that is sent whole.
ALTER TABLE api_key ADD COLUMN sealed_secret BLOB;
