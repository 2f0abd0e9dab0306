-- Version 2. Where a vehicle was while a theft alarm of it was open, erased a set time after its case ended.

CREATE TABLE tracks (
    n INTEGER PRIMARY KEY,
    vin TEXT NOT NULL,
    case_id TEXT NOT NULL,
    at TEXT NOT NULL,
    latitude REAL NOT NULL,
    longitude REAL NOT NULL,
    accuracy_m REAL
);
CREATE INDEX tracks_vin ON tracks (vin, n);
CREATE INDEX tracks_case ON tracks (case_id, n);

CREATE TABLE left_cases (case_id TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
