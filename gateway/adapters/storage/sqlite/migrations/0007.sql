-- Version 7. Cases, and everything that stands in their timelines.

CREATE TABLE cases (
    n INTEGER PRIMARY KEY,
    case_id TEXT NOT NULL UNIQUE,
    vin TEXT NOT NULL,
    soc TEXT NOT NULL,
    state TEXT NOT NULL,
    claimed_by TEXT,
    escalated INTEGER NOT NULL,
    closed_at TEXT,
    body BLOB NOT NULL
);
CREATE INDEX cases_vin ON cases (vin, n);
CREATE INDEX cases_state ON cases (state, n);
CREATE INDEX cases_soc ON cases (soc, n);
CREATE INDEX cases_claimed ON cases (claimed_by, n) WHERE claimed_by IS NOT NULL;
CREATE INDEX cases_escalated ON cases (n) WHERE escalated > 0;
CREATE INDEX cases_closed ON cases (closed_at) WHERE closed_at IS NOT NULL;

CREATE TABLE case_entries (
    n INTEGER PRIMARY KEY,
    case_id TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    alarm_id TEXT,
    body BLOB NOT NULL
);
CREATE INDEX case_entries_case ON case_entries (case_id, n);
