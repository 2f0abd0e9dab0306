-- Version 12. Large stores. Tables with large rows get a row number: without one, SQLite gives a row of more than a
-- quarter of a page a page of its own, and keeps rows in the inner nodes, so that a million alarms are ten levels
-- deep. Every list has an index that begins with what it is asked for.

ALTER TABLE messages RENAME TO messages_before;
CREATE TABLE messages (
    soc TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    type TEXT NOT NULL,
    alarm_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    critical INTEGER NOT NULL,
    body BLOB NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (soc, sequence)
);
INSERT INTO messages SELECT * FROM messages_before ORDER BY created_at, soc, sequence;
DROP TABLE messages_before;

ALTER TABLE alarms RENAME TO alarms_before;
CREATE TABLE alarms (
    alarm_id TEXT NOT NULL UNIQUE,
    vin TEXT,
    subject TEXT NOT NULL,
    soc TEXT NOT NULL,
    cause TEXT NOT NULL,
    class TEXT NOT NULL,
    state TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    body BLOB NOT NULL
);
INSERT INTO alarms SELECT * FROM alarms_before ORDER BY first_sequence, soc;
DROP TABLE alarms_before;
CREATE INDEX alarms_page ON alarms (first_sequence, soc);
CREATE INDEX alarms_vin ON alarms (vin, first_sequence);
CREATE INDEX alarms_cause ON alarms (cause, first_sequence);
CREATE INDEX alarms_class ON alarms (class, first_sequence);
CREATE INDEX alarms_state ON alarms (state, first_sequence);
CREATE INDEX alarms_soc ON alarms (soc, state, first_sequence);

ALTER TABLE vehicles RENAME TO vehicles_before;
CREATE TABLE vehicles (
    vin TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    wake_at TEXT
);
INSERT INTO vehicles SELECT * FROM vehicles_before ORDER BY vin;
DROP TABLE vehicles_before;
CREATE INDEX vehicles_wake ON vehicles (wake_at, vin) WHERE wake_at IS NOT NULL;

CREATE INDEX deliveries_sink ON deliveries (sink, id);
DROP INDEX deliveries_parked;
CREATE INDEX deliveries_parked ON deliveries (sink, id) WHERE state = 'parked';

CREATE INDEX notifications_created ON notifications (created_at);

-- What is over its time is found without a look at what is not.
CREATE INDEX left_cases_at ON left_cases (at);
CREATE INDEX user_tries_at ON user_tries (at);
