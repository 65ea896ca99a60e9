-- Data sets: names, immutable versions, and drafts on their way to becoming one.
--
-- Moments are milliseconds since 1970-01-01T00:00:00Z; digests are 64 lower-case hexadecimal digits. `schema` and
-- `statistics` are JSON of whoever described the files, with a format of its own.

CREATE TABLE data_sets (
    name         TEXT    NOT NULL PRIMARY KEY,
    created_at   INTEGER NOT NULL,
    -- The number that the next version gets. It only grows, so that no number is ever used twice.
    next_version INTEGER NOT NULL CHECK (next_version BETWEEN 1 AND 4294967296)
) STRICT;

CREATE TABLE data_set_versions (
    name       TEXT    NOT NULL REFERENCES data_sets (name),
    number     INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    files      INTEGER NOT NULL CHECK (files > 0),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    schema     TEXT    NOT NULL,
    statistics TEXT    NOT NULL,
    PRIMARY KEY (name, number)
) STRICT;

CREATE TABLE data_set_files (
    name   TEXT    NOT NULL,
    number INTEGER NOT NULL,
    path   TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (name, number, path),
    FOREIGN KEY (name, number) REFERENCES data_set_versions (name, number)
) STRICT, WITHOUT ROWID;

-- What a job was trained on stays what it was.
CREATE TRIGGER data_set_versions_stay BEFORE UPDATE ON data_set_versions
BEGIN
    SELECT RAISE(ABORT, 'versions of data sets are never changed');
END;

CREATE TRIGGER data_set_files_stay BEFORE UPDATE ON data_set_files
BEGIN
    SELECT RAISE(ABORT, 'versions of data sets are never changed');
END;

CREATE TABLE data_set_drafts (
    id         TEXT    NOT NULL PRIMARY KEY,
    -- No reference: a first version's data set does not exist yet.
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT    NOT NULL,
    -- Kept beside the list of files, which is too long to be counted for each file that comes.
    files      INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
    bytes      INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0)
) STRICT;

CREATE TABLE data_set_draft_files (
    draft  TEXT    NOT NULL REFERENCES data_set_drafts (id),
    path   TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (draft, path)
) STRICT, WITHOUT ROWID;
