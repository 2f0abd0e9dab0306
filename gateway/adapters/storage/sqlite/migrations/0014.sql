-- Version 14. A number of a timeline is given once, also after the newest entries were deleted: whoever follows
-- cases live goes on behind a number. What waits for a second person, for those who could be it. And the audit
-- trail by who acted and by what was done.

ALTER TABLE case_entries RENAME TO case_entries_before;
DROP INDEX case_entries_case;
CREATE TABLE case_entries (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id TEXT NOT NULL,
    at TEXT NOT NULL,
    actor TEXT NOT NULL,
    what TEXT NOT NULL,
    alarm_id TEXT,
    body BLOB NOT NULL
);
INSERT INTO case_entries SELECT n, case_id, at, actor, what, alarm_id, body FROM case_entries_before ORDER BY n;
DROP TABLE case_entries_before;
CREATE INDEX case_entries_case ON case_entries (case_id, n);

CREATE TABLE approvals (
    approval_id TEXT PRIMARY KEY,
    vin TEXT NOT NULL,
    soc TEXT NOT NULL,
    case_id TEXT,
    what TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    until TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX approvals_vin ON approvals (vin);
CREATE INDEX approvals_soc ON approvals (soc, asked_at);

CREATE INDEX audit_actor ON audit (actor, n);
CREATE INDEX audit_action ON audit (action, n);
