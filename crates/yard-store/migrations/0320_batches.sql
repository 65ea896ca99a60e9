-- Files and batches of language models.

CREATE TABLE batch_files (
    -- The order in which they came.
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    -- The id of a key; empty on a server that asks for no keys.
    owner      TEXT    NOT NULL,
    purpose    TEXT    NOT NULL CHECK (purpose IN ('batch', 'batch_output')),
    name       TEXT    NOT NULL,
    digest     TEXT    NOT NULL CHECK (length(digest) = 64),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE INDEX batch_files_by_owner ON batch_files (owner, sequence);
-- Enough to tell what a key keeps, which is asked for each line that runs.
CREATE INDEX batch_files_by_size ON batch_files (owner, purpose, bytes);
CREATE INDEX batch_files_that_end ON batch_files (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE batches (
    -- The order in which they were made.
    sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    owner          TEXT    NOT NULL,
    endpoint       TEXT    NOT NULL,
    -- The file may be deleted; its content is kept until the batch has ended.
    input_file     TEXT    NOT NULL,
    input_digest   TEXT    NOT NULL CHECK (length(input_digest) = 64),
    completion_window TEXT NOT NULL,
    metadata_json  TEXT    NOT NULL,
    status         TEXT    NOT NULL CHECK (status IN (
        'validating', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled'
    )),
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    in_progress_at INTEGER,
    finalizing_at  INTEGER,
    cancelling_at  INTEGER,
    ended_at       INTEGER CHECK ((ended_at IS NULL) = (status NOT IN ('completed', 'failed', 'expired', 'cancelled'))),
    total          INTEGER NOT NULL DEFAULT 0,
    completed      INTEGER NOT NULL DEFAULT 0,
    failed         INTEGER NOT NULL DEFAULT 0,
    -- What its rows of batch_lines take up.
    outcome_bytes  INTEGER NOT NULL DEFAULT 0,
    problems_json  TEXT    NOT NULL DEFAULT '[]',
    output_file    TEXT,
    error_file     TEXT
) STRICT;

CREATE INDEX batches_by_owner ON batches (owner, sequence);
CREATE INDEX batches_open ON batches (sequence) WHERE ended_at IS NULL;
CREATE INDEX batches_open_by_owner ON batches (owner) WHERE ended_at IS NULL;

-- What became of a line: written once, before the line counts as done. Gone when the batch has ended and its files hold it.
CREATE TABLE batch_lines (
    batch      TEXT    NOT NULL REFERENCES batches (id),
    line       INTEGER NOT NULL CHECK (line >= 1),
    status     INTEGER NOT NULL CHECK (status BETWEEN 100 AND 999),
    custom_id  TEXT    NOT NULL,
    request_id TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    PRIMARY KEY (batch, line)
) STRICT;
