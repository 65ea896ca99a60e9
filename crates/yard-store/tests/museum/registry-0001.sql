-- A database as the first program left it, dumped. Never edited.
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'registry','2026-01-01 00:00:00',1,X'3D3A5D515C865F1720E33CB30CA14EB2A24903A70A720B7111DA7FEF6237BFE138EF5255D3DF03D5F3C7B12FA98E2BEC',0);
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
INSERT INTO "alias_moves" VALUES(1,'digits','production','promotion',NULL,1,0,'key-1');
INSERT INTO "alias_moves" VALUES(2,'digits','production','promotion',1,2,0,'key-1');
INSERT INTO "alias_moves" VALUES(3,'digits','production','rollback',2,1,0,'key-1');
INSERT INTO "alias_moves" VALUES(4,'digits','canary','promotion',NULL,2,0,'key-1');
INSERT INTO "alias_moves" VALUES(5,'digits','old','promotion',NULL,3,0,'key-1');
INSERT INTO "alias_moves" VALUES(6,'digits','old','removal',3,NULL,0,'key-1');
CREATE TABLE aliases (
    model    TEXT    NOT NULL,
    alias    TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    moved_at INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES versions (model, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "aliases" VALUES('digits','canary',2,0);
INSERT INTO "aliases" VALUES('digits','production',1,0);
CREATE TABLE models (
    name         TEXT    NOT NULL PRIMARY KEY,
    created_at   INTEGER NOT NULL,
    -- The number that the next version gets. It only grows, so that no number is ever used twice.
    next_version INTEGER NOT NULL CHECK (next_version BETWEEN 1 AND 4294967296),
    serving_json TEXT    NOT NULL
) STRICT;
INSERT INTO "models" VALUES('digits',0,4,'{"format":1,"max_batch":32,"max_queue_delay_ns":null,"interactive_queue":null,"background_queue":null,"workers":null,"timeout_ns":null}');
CREATE TABLE upload_files (
    upload TEXT    NOT NULL REFERENCES uploads (id),
    path   TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (upload, path)
) STRICT, WITHOUT ROWID;
INSERT INTO "upload_files" VALUES('031726c0ba692c36f545da3b2d40c460','model.onnx','8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f',5);
INSERT INTO "upload_files" VALUES('13e5a844da1500aa4d4adda60309a5f0','model.onnx','a11ae06469c63740d7b0ecf802f282a0d46e94f31a654dfcd3c0dc6dc277f904',4);
INSERT INTO "upload_files" VALUES('27cec77c5840e7895b06aae75b02809d','labels.json','4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945',2);
INSERT INTO "upload_files" VALUES('27cec77c5840e7895b06aae75b02809d','model.onnx','7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',3);
INSERT INTO "upload_files" VALUES('2ac94ae11df3a92322f928b9cca660eb','model.onnx','3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3',3);
INSERT INTO "upload_files" VALUES('2df459970d350da3c23b4ca435d1f54d','model.onnx','a1ea39e8a5f1845f7d3fa57c60caca321f9e27767172b35736d9d9232bf264aa',11);
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
INSERT INTO "uploads" VALUES('27cec77c5840e7895b06aae75b02809d','digits','ready',0,'key-1',NULL,1,'{"format":1,"parent":null,"note":null,"origin":"","facts":[]}');
INSERT INTO "uploads" VALUES('2ac94ae11df3a92322f928b9cca660eb','digits','ready',0,'key-1',NULL,2,'{"format":1,"parent":1,"note":"better","origin":"push","facts":[["seed","7"]]}');
INSERT INTO "uploads" VALUES('031726c0ba692c36f545da3b2d40c460','digits','ready',0,'key-1',NULL,3,'{"format":1,"parent":null,"note":null,"origin":"","facts":[]}');
INSERT INTO "uploads" VALUES('2df459970d350da3c23b4ca435d1f54d','digits','failed',0,'key-1','refused',NULL,'{"format":1,"parent":null,"note":null,"origin":"","facts":[]}');
INSERT INTO "uploads" VALUES('13e5a844da1500aa4d4adda60309a5f0','digits','receiving',0,'key-1',NULL,NULL,'{"format":1,"parent":null,"note":null,"origin":"","facts":[]}');
CREATE TABLE version_files (
    model  TEXT    NOT NULL,
    number INTEGER NOT NULL,
    path   TEXT    NOT NULL,
    digest TEXT    NOT NULL,
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (model, number, path),
    FOREIGN KEY (model, number) REFERENCES versions (model, number)
) STRICT, WITHOUT ROWID;
INSERT INTO "version_files" VALUES('digits',1,'labels.json','4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945',2);
INSERT INTO "version_files" VALUES('digits',1,'model.onnx','7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',3);
INSERT INTO "version_files" VALUES('digits',2,'model.onnx','3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3',3);
INSERT INTO "version_files" VALUES('digits',3,'model.onnx','8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f',5);
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
INSERT INTO "versions" VALUES('digits',1,'ready',0,'key-1','9102c232e61c9766d212d133f5434aa8d3391e887b7b02910c68046feaa44a99','{"format":1,"engine":{"name":"stand-in","version":"1"},"main":"model.onnx","inputs":[{"name":"x","data_type":"FP32","shape":["batch",64],"labels":null}],"outputs":[{"name":"y","data_type":"FP32","shape":["batch",10],"labels":null}],"joining":{"allowed":{"max_difference":"0.0"}},"warm_up":{"ran":{"shapes":[[1,64]]}},"golden_samples":0,"single_run_ns":20000,"memory_bytes":1048576}','{"format":1,"parent":null,"note":null,"origin":"","facts":[]}',NULL,NULL);
INSERT INTO "versions" VALUES('digits',2,'ready',0,'key-1','5afbc720588e41cbe53037cba0946ec96f5e262bb2556dac822cee19ae34e6d7','{"format":1,"engine":{"name":"stand-in","version":"1"},"main":"model.onnx","inputs":[{"name":"x","data_type":"FP32","shape":["batch",64],"labels":null}],"outputs":[{"name":"y","data_type":"FP32","shape":["batch",10],"labels":null}],"joining":{"allowed":{"max_difference":"0.0"}},"warm_up":{"ran":{"shapes":[[1,64]]}},"golden_samples":0,"single_run_ns":20000,"memory_bytes":1048576}','{"format":1,"parent":1,"note":"better","origin":"push","facts":[["seed","7"]]}',NULL,NULL);
INSERT INTO "versions" VALUES('digits',3,'archived',0,'key-1','ef4b42125deff224090786f010bd27b21f5263be36353cd1f8115c3a87eec3bc','{"format":1,"engine":{"name":"stand-in","version":"1"},"main":"model.onnx","inputs":[{"name":"x","data_type":"FP32","shape":["batch",64],"labels":null}],"outputs":[{"name":"y","data_type":"FP32","shape":["batch",10],"labels":null}],"joining":{"allowed":{"max_difference":"0.0"}},"warm_up":{"ran":{"shapes":[[1,64]]}},"golden_samples":0,"single_run_ns":20000,"memory_bytes":1048576}','{"format":1,"parent":null,"note":null,"origin":"","facts":[]}',0,'key-1');
CREATE INDEX versions_by_digest ON versions (model, digest);
CREATE INDEX alias_moves_by_alias ON alias_moves (model, alias, sequence);
CREATE INDEX uploads_open ON uploads (state) WHERE state IN ('receiving', 'proving');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('alias_moves',6);
COMMIT;
