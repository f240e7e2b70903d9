-- What callers register (`keep` steps). A registration is written once and never changed; `key` is the visit of the step
-- that wrote it, `content` its values as a JSON object with sorted names.
CREATE TABLE registrations (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    dialled TEXT NOT NULL,
    flow TEXT NOT NULL,
    word TEXT NOT NULL,
    mobile TEXT,
    content TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX registrations_of_word ON registrations (word, id);
CREATE INDEX registrations_of_caller ON registrations (mobile, word) WHERE mobile IS NOT NULL;

CREATE TRIGGER registrations_are_not_changed BEFORE UPDATE ON registrations
BEGIN SELECT RAISE(ABORT, 'registrations are append-only'); END;
CREATE TRIGGER registrations_are_not_deleted BEFORE DELETE ON registrations
BEGIN SELECT RAISE(ABORT, 'registrations are append-only'); END;
-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER registrations_are_not_replaced BEFORE INSERT ON registrations
WHEN EXISTS (SELECT 1 FROM registrations WHERE id = NEW.id OR key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'registrations are append-only'); END;

-- One row for each registration that a merchant is told of, as `deliveries` has one for each line of the journal.
CREATE TABLE registration_deliveries (
    registration INTEGER PRIMARY KEY REFERENCES registrations (id),
    merchant TEXT NOT NULL,
    at REAL NOT NULL,
    tries INTEGER NOT NULL,
    next_at REAL NOT NULL,
    delivered_at REAL
) STRICT;
CREATE INDEX registration_deliveries_waiting ON registration_deliveries (merchant, registration)
WHERE delivered_at IS NULL;
