-- The book of payments. An entry is written once and never changed; what a payment is stays as it was created.
-- payments.state … changed_at are what the entries make of it, kept beside them for quick reading and written in
-- the same transaction.
CREATE TABLE payments (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    call_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    transaction_id TEXT,
    amount_rial INTEGER CHECK (amount_rial > 0),
    state TEXT NOT NULL CHECK (state IN ('created', 'sent', 'approved', 'declined', 'unknown')),
    reason TEXT,
    code TEXT,
    reference TEXT,
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL
) STRICT;
CREATE INDEX payments_of_invoice ON payments (provider, invoice_id);
CREATE INDEX payments_open ON payments (number) WHERE state IN ('sent', 'unknown');

CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    kind TEXT NOT NULL CHECK (kind IN ('created', 'sent', 'unsent', 'approved', 'declined', 'unanswered')),
    at REAL NOT NULL,
    details TEXT NOT NULL
) STRICT;
CREATE INDEX entries_of_payment ON entries (payment_id);

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER entries_are_not_replaced BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER payments_stay_what_they_are
BEFORE UPDATE OF number, id, call_id, provider, invoice_id, transaction_id, amount_rial, created_at ON payments
BEGIN SELECT RAISE(ABORT, 'a payment stays what it was created as'); END;
CREATE TRIGGER payments_are_not_deleted BEFORE DELETE ON payments
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER payments_are_not_replaced BEFORE INSERT ON payments
WHEN EXISTS (SELECT 1 FROM payments WHERE id = NEW.id OR number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Our own record of the invoices that we had a provider make: a payment's result is bound to it.
CREATE TABLE invoices (
    provider TEXT NOT NULL,
    tracking_code TEXT NOT NULL,
    amount_rial INTEGER NOT NULL CHECK (amount_rial > 0),
    order_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    PRIMARY KEY (provider, tracking_code)
) STRICT, WITHOUT ROWID;
