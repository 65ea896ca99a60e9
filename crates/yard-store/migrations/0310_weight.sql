-- The share of language models that a key has beside others.

ALTER TABLE access_keys ADD COLUMN weight INTEGER NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000);
