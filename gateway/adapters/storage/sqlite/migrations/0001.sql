-- Version 1. Times are RFC 3339 text in UTC; bodies are JSON as UTF-8 bytes.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Journal: every fact as it was decided, in the order of deciding. The key of an event is (vin, event_id);
-- content that differs under one key is kept as a row of its own.
CREATE TABLE facts (
    n INTEGER PRIMARY KEY,
    vin TEXT NOT NULL,
    kind TEXT NOT NULL,
    event_id TEXT,
    digest BLOB,
    received_at TEXT NOT NULL,
    decided_at TEXT NOT NULL,
    body BLOB NOT NULL,
    is_trigger INTEGER NOT NULL,
    verdict TEXT,
    alarm_id TEXT
);
CREATE UNIQUE INDEX facts_key ON facts (vin, event_id, digest) WHERE event_id IS NOT NULL;
CREATE INDEX facts_alarm ON facts (alarm_id) WHERE alarm_id IS NOT NULL;

CREATE TABLE vehicles (
    vin TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    wake_at TEXT
) WITHOUT ROWID;
CREATE INDEX vehicles_wake ON vehicles (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE alarms (
    alarm_id TEXT PRIMARY KEY,
    vin TEXT,
    subject TEXT NOT NULL,
    soc TEXT NOT NULL,
    cause TEXT NOT NULL,
    class TEXT NOT NULL,
    state TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX alarms_page ON alarms (first_sequence, soc);
CREATE INDEX alarms_state ON alarms (state, first_sequence);
CREATE INDEX alarms_cause ON alarms (cause, first_sequence);
CREATE INDEX alarms_vin ON alarms (vin, first_sequence);

-- The feed of each SOC: 1, 2, 3, … without a gap.
CREATE TABLE messages (
    soc TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    type TEXT NOT NULL,
    alarm_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    critical INTEGER NOT NULL,
    body BLOB NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (soc, sequence)
) WITHOUT ROWID;

-- The outbox: one row a message and sink, made in the transaction that makes the message.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY,
    sink TEXT NOT NULL,
    soc TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    subject TEXT NOT NULL,
    critical INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    created_at TEXT NOT NULL,
    is_primary INTEGER NOT NULL,
    stood_by INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX deliveries_key ON deliveries (sink, soc, sequence);
CREATE INDEX deliveries_pending ON deliveries (sink, subject, soc, sequence) WHERE state = 'pending';
CREATE INDEX deliveries_oldest ON deliveries (sink, id) WHERE state = 'pending';
CREATE INDEX deliveries_parked ON deliveries (id) WHERE state = 'parked';
CREATE INDEX deliveries_waiting ON deliveries (created_at)
    WHERE is_primary = 1 AND stood_by = 0 AND state <> 'done';

CREATE TABLE quarantine (
    n INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload BLOB NOT NULL,
    vin TEXT,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX quarantine_key ON quarantine (topic, sha256);

-- hash(n) = SHA-256(hash(n-1) || canonical JSON of the row)
CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    details TEXT NOT NULL,
    hash BLOB NOT NULL
);

CREATE TABLE notifications (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    vin TEXT NOT NULL,
    body BLOB NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    person TEXT NOT NULL,
    user TEXT,
    vin TEXT,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
) WITHOUT ROWID;

CREATE TABLE registry (
    vin TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
