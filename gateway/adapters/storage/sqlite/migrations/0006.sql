-- Version 6. Parts of a vehicle's state that are written only when they change: open alarms, recent facts.
-- A state that was written before is a whole body, and is written in parts from its next change on.

CREATE TABLE vehicle_parts (
    vin TEXT NOT NULL,
    part TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (vin, part)
) WITHOUT ROWID;
