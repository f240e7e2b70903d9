-- What callers register (`keep` steps). A registration is written once and never changed; `key` is the visit of the step
-- that wrote it, `content` its values as a JSON object with sorted names.
CREATE TABLE registrations (
    id BIGINT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    dialled TEXT NOT NULL,
    flow TEXT NOT NULL,
    word TEXT NOT NULL,
    mobile TEXT,
    content TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX registrations_of_word ON registrations (word, id);
CREATE INDEX registrations_of_caller ON registrations (mobile, word) WHERE mobile IS NOT NULL;

CREATE FUNCTION next_registration() RETURNS BIGINT LANGUAGE sql AS 'SELECT coalesce(max(id), 0) + 1 FROM registrations';
ALTER TABLE registrations ALTER COLUMN id SET DEFAULT next_registration();

CREATE TRIGGER registrations_are_not_changed BEFORE UPDATE ON registrations
FOR EACH ROW EXECUTE FUNCTION refuse('registrations are append-only');
CREATE TRIGGER registrations_are_not_deleted BEFORE DELETE ON registrations
FOR EACH ROW EXECUTE FUNCTION refuse('registrations are append-only');
CREATE TRIGGER registrations_are_not_emptied BEFORE TRUNCATE ON registrations
FOR EACH STATEMENT EXECUTE FUNCTION refuse('registrations are append-only');

-- One row for each registration that a merchant is told of, as `deliveries` has one for each line of the journal.
CREATE TABLE registration_deliveries (
    registration BIGINT PRIMARY KEY REFERENCES registrations (id),
    merchant TEXT NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    tries INTEGER NOT NULL,
    next_at DOUBLE PRECISION NOT NULL,
    delivered_at DOUBLE PRECISION
);
CREATE INDEX registration_deliveries_waiting ON registration_deliveries (merchant, registration)
WHERE delivered_at IS NULL;
