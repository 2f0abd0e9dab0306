-- Version 13. What one shift leaves to the next, and who has read it.

CREATE TABLE handovers (
    n INTEGER PRIMARY KEY,
    soc TEXT NOT NULL,
    at TEXT NOT NULL,
    author TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX handovers_soc ON handovers (soc, n);
CREATE INDEX handovers_at ON handovers (at);

CREATE TABLE handover_reads (
    n INTEGER NOT NULL,
    person TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (n, person)
) WITHOUT ROWID;
