-- Version 10. A password may be good once only, until a time: to set another.

ALTER TABLE console_persons ADD COLUMN one_time_until TEXT;
