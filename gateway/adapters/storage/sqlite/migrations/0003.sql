-- Version 3. Commands to vehicles as they were last told; what may still change lives with its vehicle.

CREATE TABLE commands (
    command_id TEXT PRIMARY KEY,
    vin TEXT NOT NULL,
    user TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    issued_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    changed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX commands_changed ON commands (changed_at);
