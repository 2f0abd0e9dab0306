-- Version 8. The console: who may log in, who is logged in, how often somebody guessed.

CREATE TABLE console_persons (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at TEXT NOT NULL,
    removed_at TEXT
) WITHOUT ROWID;

-- Of a session's random id only the hash is kept: who reads the database can't go on with a session.
CREATE TABLE console_sessions (
    id_hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    seen_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX console_sessions_name ON console_sessions (name);

-- Wrong passwords for one name, whether it exists or not. A try counts before it is judged.
CREATE TABLE console_tries (
    name TEXT PRIMARY KEY,
    wrong INTEGER NOT NULL,
    locked_until TEXT,
    at TEXT NOT NULL
) WITHOUT ROWID;
