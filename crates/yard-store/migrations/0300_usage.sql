-- Budgets of tokens, and what keys used of them.

-- Most tokens of language models; no limit where NULL.
ALTER TABLE access_keys ADD COLUMN tokens_per_minute  INTEGER;
ALTER TABLE access_keys ADD COLUMN tokens_per_day     INTEGER;
ALTER TABLE access_keys ADD COLUMN tokens_per_month   INTEGER;
ALTER TABLE access_keys ADD COLUMN tokens_per_request INTEGER;

CREATE TABLE access_usage (
    -- Days of UTC since 1970-01-01.
    day           INTEGER NOT NULL,
    -- The id of the key; empty on a server that asks for no keys.
    key           TEXT    NOT NULL CHECK (length(key) IN (0, 12)),
    model         TEXT    NOT NULL,
    requests      INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    answer_tokens INTEGER NOT NULL,
    PRIMARY KEY (day, key, model)
) STRICT, WITHOUT ROWID;
