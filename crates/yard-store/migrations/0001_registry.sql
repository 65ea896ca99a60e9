-- Models, their versions, aliases and uploads.
--
-- Moments are milliseconds since 1970-01-01T00:00:00Z; digests are 64 lower-case hexadecimal digits; columns called
-- `*_json` hold one JSON object with a `format` number.

CREATE TABLE models (
    name         TEXT    NOT NULL PRIMARY KEY,
    created_at   INTEGER NOT NULL,
    -- The number that the next version gets. It only grows, so that no number is ever used twice.
    next_version INTEGER NOT NULL CHECK (next_version BETWEEN 1 AND 4294967296),
    serving_json TEXT    NOT NULL
) STRICT;

CREATE TABLE versions (
    model           TEXT    NOT NULL REFERENCES models (name),
    number          INTEGER NOT NULL CHECK (number BETWEEN 1 AND 4294967295),
    state           TEXT    NOT NULL CHECK (state IN ('ready', 'archived')),
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    proof_json      TEXT    NOT NULL,
    provenance_json TEXT    NOT NULL,
    archived_at     INTEGER,
    archived_by     TEXT,
    PRIMARY KEY (model, number),
    CHECK ((state = 'archived') = (archived_at IS NOT NULL))
) STRICT;

CREATE INDEX versions_by_digest ON versions (model, digest);

CREATE TABLE version_files (
    model  TEXT    NOT NULL,
    number INTEGER NOT NULL,
    path   TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (model, number, path),
    FOREIGN KEY (model, number) REFERENCES versions (model, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE aliases (
    model    TEXT    NOT NULL,
    alias    TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES versions (model, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE alias_moves (
    sequence     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    model        TEXT    NOT NULL,
    alias        TEXT    NOT NULL,
    kind         TEXT    NOT NULL CHECK (kind IN ('promotion', 'rollback', 'removal')),
    from_version INTEGER,
    to_version   INTEGER,
    moved_at     INTEGER NOT NULL,
    moved_by     TEXT    NOT NULL,
    CHECK ((kind = 'removal') = (to_version IS NULL)),
    FOREIGN KEY (model, from_version) REFERENCES versions (model, number),
    FOREIGN KEY (model, to_version) REFERENCES versions (model, number)
) STRICT;

CREATE INDEX alias_moves_by_alias ON alias_moves (model, alias, sequence);

CREATE TABLE uploads (
    id              TEXT    NOT NULL PRIMARY KEY,
    -- No reference: the model of a first upload does not exist yet.
    model           TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('receiving', 'proving', 'ready', 'failed')),
    created_at      INTEGER NOT NULL,
    created_by      TEXT    NOT NULL,
    failure         TEXT,
    version         INTEGER,
    provenance_json TEXT    NOT NULL,
    CHECK ((state = 'ready') = (version IS NOT NULL)),
    CHECK ((state = 'failed') = (failure IS NOT NULL)),
    FOREIGN KEY (model, version) REFERENCES versions (model, number)
) STRICT;

CREATE INDEX uploads_open ON uploads (state) WHERE state IN ('receiving', 'proving');

CREATE TABLE upload_files (
    upload TEXT    NOT NULL REFERENCES uploads (id),
    path   TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (upload, path)
) STRICT, WITHOUT ROWID;
