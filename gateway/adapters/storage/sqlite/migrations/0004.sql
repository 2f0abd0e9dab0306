-- Version 4. People: which vehicles a user has, who was added, how often somebody guessed.

-- Made from the registry, in the same transaction, so that a person's vehicles are found without reading all.
CREATE TABLE registry_users (
    user TEXT NOT NULL,
    vin TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (user, vin)
) WITHOUT ROWID;
CREATE INDEX registry_users_vin ON registry_users (vin);
INSERT OR IGNORE INTO registry_users
    SELECT one.value, registry.vin, 'main_user'
    FROM registry, json_each(
        CASE WHEN json_valid(CAST(registry.body AS TEXT)) THEN CAST(registry.body AS TEXT) ELSE '{}' END
    ) AS one
    WHERE one.key = 'main_user' AND one.type = 'text';
INSERT OR IGNORE INTO registry_users
    SELECT one.value, registry.vin, 'secondary_user'
    FROM registry, json_each(
        CASE WHEN json_valid(CAST(registry.body AS TEXT)) THEN CAST(registry.body AS TEXT) ELSE '{}' END,
        '$.secondary_users'
    ) AS one;

-- What changed since a version is found without reading all.
CREATE INDEX registry_version ON registry (version);

CREATE TABLE users (
    user TEXT PRIMARY KEY,
    person TEXT NOT NULL,
    added_at TEXT NOT NULL
) WITHOUT ROWID;

-- Wrong codes of one person, on whatever vehicle. A try counts before it is judged.
CREATE TABLE user_tries (
    user TEXT PRIMARY KEY,
    body BLOB NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;
