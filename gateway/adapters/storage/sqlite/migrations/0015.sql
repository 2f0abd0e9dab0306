-- Version 15. Parts of vehicles get a row number, as tables with large rows did in version 12: an open alarm with its
-- evidence is such a row, and is written anew with each of its events.

ALTER TABLE vehicle_parts RENAME TO vehicle_parts_before;
CREATE TABLE vehicle_parts (
    vin TEXT NOT NULL,
    part TEXT NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (vin, part)
);
INSERT INTO vehicle_parts SELECT vin, part, body FROM vehicle_parts_before ORDER BY vin, part;
DROP TABLE vehicle_parts_before;
