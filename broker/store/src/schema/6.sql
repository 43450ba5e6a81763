-- From format 5 to format 6.

-- On what grounds a deployment is taken for equal to the others of its function. how: 0 the operator's word, 1 replayed
-- samples. venue, target and digest are what it was said of; a digest of NULL: of whatever runs there. at: 0 for the
-- deployments that were put before there were proofs.
CREATE TABLE proof (
    function TEXT NOT NULL, deployment TEXT NOT NULL, how INTEGER NOT NULL, by TEXT NOT NULL, at INTEGER NOT NULL,
    venue TEXT NOT NULL, target TEXT NOT NULL, digest TEXT, samples INTEGER NOT NULL,
    PRIMARY KEY (function, deployment, how)
) WITHOUT ROWID;
INSERT INTO proof
    SELECT function, name, 0, 'an earlier Merit', 0, spec ->> '$.venue', spec ->> '$.target', NULL, 0 FROM deployment
    WHERE json_valid(spec) AND spec ->> '$.venue' IS NOT NULL AND spec ->> '$.target' IS NOT NULL;

CREATE TABLE sample (
    function TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL, by TEXT NOT NULL,
    deployment TEXT, -- whose reply it is; NULL when the reply was given
    content_type TEXT, payload BLOB NOT NULL, reply BLOB NOT NULL, error TEXT,
    PRIMARY KEY (function, number)
);

-- Deployments whose replies differed.
CREATE TABLE quarantine (
    function TEXT NOT NULL, deployment TEXT NOT NULL, at INTEGER NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (function, deployment)
) WITHOUT ROWID;
-- The replies: `given` is what the caller got, from the deployment `other`.
CREATE TABLE divergence (
    function TEXT NOT NULL, deployment TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
    invocation BLOB NOT NULL, shadow BLOB NOT NULL, other TEXT NOT NULL, difference TEXT NOT NULL,
    payload BLOB NOT NULL, given BLOB NOT NULL, reply BLOB NOT NULL,
    PRIMARY KEY (function, deployment, number)
);
