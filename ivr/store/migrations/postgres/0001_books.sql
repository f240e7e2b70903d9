-- The book of payments. An entry is written once and never changed; what a payment is stays as it was created.
-- payments.state … changed_at, for_people are what the entries make of it, kept beside them for quick reading and
-- written in the same transaction. Everything here is written by one worker at a time, which holds the book's lock, so
-- numbers follow one another without a gap, in the order in which they were committed.
CREATE TABLE payments (
    number BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    call_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    transaction_id TEXT,
    amount_rial BIGINT CHECK (amount_rial > 0),
    state TEXT NOT NULL CHECK (state IN ('created', 'sent', 'approved', 'declined', 'unknown')),
    reason TEXT,
    code TEXT,
    reference TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    changed_at DOUBLE PRECISION NOT NULL,
    for_people SMALLINT NOT NULL DEFAULT 0 CHECK (for_people IN (0, 1)),
    worker TEXT NOT NULL DEFAULT ''
);
CREATE INDEX payments_of_invoice ON payments (provider, invoice_id);
CREATE INDEX payments_open ON payments (number) WHERE state IN ('sent', 'unknown');

CREATE TABLE entries (
    number BIGINT PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    kind TEXT NOT NULL CHECK (
        kind IN ('created', 'sent', 'unsent', 'approved', 'declined', 'unanswered', 'handed_over', 'contradicted')
    ),
    at DOUBLE PRECISION NOT NULL,
    details TEXT NOT NULL
);
CREATE INDEX entries_of_payment ON entries (payment_id);

CREATE FUNCTION next_payment() RETURNS BIGINT LANGUAGE sql AS 'SELECT coalesce(max(number), 0) + 1 FROM payments';
CREATE FUNCTION next_entry() RETURNS BIGINT LANGUAGE sql AS 'SELECT coalesce(max(number), 0) + 1 FROM entries';
ALTER TABLE payments ALTER COLUMN number SET DEFAULT next_payment();
ALTER TABLE entries ALTER COLUMN number SET DEFAULT next_entry();

-- Our own record of the invoices that we had a provider make: a payment's result is bound to it.
CREATE TABLE invoices (
    provider TEXT NOT NULL,
    tracking_code TEXT NOT NULL,
    amount_rial BIGINT NOT NULL CHECK (amount_rial > 0),
    order_id TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (provider, tracking_code)
);

CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
FOR EACH ROW EXECUTE FUNCTION refuse('the journal is append-only');
CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
FOR EACH ROW EXECUTE FUNCTION refuse('the journal is append-only');
CREATE TRIGGER entries_are_not_emptied BEFORE TRUNCATE ON entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse('the journal is append-only');
CREATE TRIGGER payments_are_not_deleted BEFORE DELETE ON payments
FOR EACH ROW EXECUTE FUNCTION refuse('the journal is append-only');
CREATE TRIGGER payments_are_not_emptied BEFORE TRUNCATE ON payments
FOR EACH STATEMENT EXECUTE FUNCTION refuse('the journal is append-only');
CREATE TRIGGER payments_stay_what_they_are BEFORE UPDATE ON payments
FOR EACH ROW WHEN (
    (OLD.number, OLD.id, OLD.call_id, OLD.provider, OLD.invoice_id, OLD.transaction_id, OLD.amount_rial, OLD.created_at)
    IS DISTINCT FROM
    (NEW.number, NEW.id, NEW.call_id, NEW.provider, NEW.invoice_id, NEW.transaction_id, NEW.amount_rial, NEW.created_at)
)
EXECUTE FUNCTION refuse('a payment stays what it was created as');

-- Written by health checks, which so learn whether the database takes writes.
CREATE TABLE touched (
    one BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    times BIGINT NOT NULL
);
INSERT INTO touched (times) VALUES (0);
