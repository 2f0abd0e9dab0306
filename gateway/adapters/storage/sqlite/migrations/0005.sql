-- Version 5. Why registered cars are not protected, each reason with the times between which it holds; '' and '9'
-- stand for always, so that a range is asked in one index. Written with the vehicle's state that it follows from.

CREATE TABLE unprotected (
    vin TEXT NOT NULL,
    code TEXT NOT NULL,
    soc TEXT NOT NULL,
    severity INTEGER NOT NULL,
    from_at TEXT NOT NULL,
    until_at TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (vin, code, from_at)
) WITHOUT ROWID;
CREATE INDEX unprotected_tonight ON unprotected (from_at, until_at, severity, vin, code, soc);

CREATE INDEX registry_changed ON registry (version, vin);
