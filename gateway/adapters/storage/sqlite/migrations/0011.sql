-- Version 11. How many vehicles a country has, without reading every registry entry.

CREATE INDEX registry_country ON registry (
    CASE WHEN json_valid(CAST(body AS TEXT)) THEN json_extract(CAST(body AS TEXT), '$.country') END
);
