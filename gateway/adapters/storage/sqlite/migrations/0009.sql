-- Version 9. What stands for an audit row in the chain, so that others can be shown without it; see domain/audit_trail.
-- Rows of before have neither.

ALTER TABLE audit ADD COLUMN salt BLOB;
ALTER TABLE audit ADD COLUMN digest BLOB;

-- What happened to a case, its alarms and its vehicle, without reading the whole trail.
CREATE INDEX audit_subject ON audit (subject, n);
