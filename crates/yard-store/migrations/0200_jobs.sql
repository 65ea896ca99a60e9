-- Jobs and what they tell.
--
-- Moments are milliseconds since 1970-01-01T00:00:00Z; digests are 64 lower-case hexadecimal digits; ids of jobs and of
-- their holders are 32. `sequence` is the place of an event among those of its job.

CREATE TABLE jobs (
    id                TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    kind              TEXT    NOT NULL CHECK (kind IN ('train', 'search', 'trial')),
    -- Of a trial: its search, and which trial of it.
    search            TEXT    REFERENCES jobs (id),
    number            INTEGER CHECK (number >= 0),
    -- No reference: the model of a first job does not exist yet.
    model             TEXT    NOT NULL,
    spec              TEXT    NOT NULL,
    threads           INTEGER NOT NULL CHECK (threads >= 0),
    memory_bytes      INTEGER NOT NULL CHECK (memory_bytes >= 0),
    owner             TEXT    NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    ended_at          INTEGER,
    attempt           INTEGER NOT NULL DEFAULT 0,
    -- Since the last checkpoint: children that died, servers that went away.
    deaths            INTEGER NOT NULL DEFAULT 0,
    losses            INTEGER NOT NULL DEFAULT 0,
    cancel_requested  INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    holder            TEXT,
    lease_expires_at  INTEGER,
    failure_code      TEXT,
    failure_message   TEXT,
    result_version    INTEGER,
    result_summary    TEXT,
    sequence          INTEGER NOT NULL DEFAULT 0,
    state_sequence    INTEGER NOT NULL DEFAULT 0,
    state_at          INTEGER,
    progress_sequence INTEGER,
    progress_at       INTEGER,
    progress_phase    TEXT,
    progress_step     INTEGER,
    progress_of       INTEGER,
    CHECK ((kind = 'trial') = (search IS NOT NULL)),
    CHECK ((search IS NULL) = (number IS NULL)),
    CHECK ((state = 'running') = (holder IS NOT NULL)),
    CHECK ((holder IS NULL) = (lease_expires_at IS NULL)),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CHECK ((failure_code IS NULL) = (failure_message IS NULL)),
    CHECK ((state = 'succeeded') = (result_summary IS NOT NULL)),
    CHECK (result_version IS NULL OR state = 'succeeded'),
    FOREIGN KEY (model, result_version) REFERENCES versions (model, number)
) STRICT;

CREATE UNIQUE INDEX jobs_by_search ON jobs (search, number) WHERE search IS NOT NULL;
CREATE INDEX jobs_unfinished ON jobs (created_at, id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_age ON jobs (created_at, id);

-- Stored contents that a job reads. They stay as long as it is queued or running.
CREATE TABLE job_inputs (
    job    TEXT    NOT NULL REFERENCES jobs (id),
    place  INTEGER NOT NULL,
    digest TEXT    NOT NULL,
    PRIMARY KEY (job, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_metrics (
    job      TEXT    NOT NULL REFERENCES jobs (id),
    split    TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    step     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    -- Null is what is no number at all.
    value    REAL,
    PRIMARY KEY (job, split, name, step)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_metrics_by_sequence ON job_metrics (job, sequence);

CREATE TABLE job_log (
    job      TEXT    NOT NULL REFERENCES jobs (id),
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    level    TEXT    NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    text     TEXT    NOT NULL,
    PRIMARY KEY (job, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_checkpoints (
    job      TEXT    NOT NULL REFERENCES jobs (id),
    step     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    -- In the directory of the job.
    file     TEXT    NOT NULL,
    bytes    INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (job, step)
) STRICT, WITHOUT ROWID;
