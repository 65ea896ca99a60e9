-- Keys and the audit trail.
--
-- Moments are milliseconds since 1970-01-01T00:00:00Z; hashes are 64 lower-case hexadecimal digits. Of a key's secret
-- only its SHA-256 is kept.

CREATE TABLE access_keys (
    id                   TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 12),
    name                 TEXT    NOT NULL,
    role                 TEXT    NOT NULL CHECK (role IN ('admin', 'publisher', 'consumer')),
    -- 1: sees all models. 0: those in access_key_models.
    all_models           INTEGER NOT NULL CHECK (all_models IN (0, 1)),
    requests_per_minute  INTEGER,
    burst                INTEGER,
    created_at           INTEGER NOT NULL,
    expires_at           INTEGER,
    rotated_at           INTEGER,
    revoked_at           INTEGER,
    secret_sha256        TEXT    NOT NULL CHECK (length(secret_sha256) = 64),
    -- The secret before, while it is still taken.
    previous_sha256      TEXT             CHECK (length(previous_sha256) = 64),
    previous_valid_until INTEGER,
    CHECK ((requests_per_minute IS NULL) = (burst IS NULL)),
    CHECK ((previous_sha256 IS NULL) = (previous_valid_until IS NULL))
) STRICT;

CREATE TABLE access_key_models (
    key     TEXT NOT NULL REFERENCES access_keys (id),
    -- The name of a model, or the beginning of names with a '*' behind it.
    pattern TEXT NOT NULL,
    PRIMARY KEY (key, pattern)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_entries (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    subject  TEXT    NOT NULL,
    detail   TEXT    NOT NULL
) STRICT;

-- What happened cannot be made not to have happened.
CREATE TRIGGER audit_entries_stay BEFORE UPDATE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never changed');
END;

CREATE TRIGGER audit_entries_remain BEFORE DELETE ON audit_entries
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never deleted');
END;
