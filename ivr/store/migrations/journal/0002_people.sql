-- What people have to find out, and two kinds of remarks. The line that begins a payment says what it is, so that an
-- audit can tell when somebody changes it elsewhere.
ALTER TABLE payments ADD COLUMN for_people INTEGER NOT NULL DEFAULT 0 CHECK (for_people IN (0, 1));

CREATE TABLE entries_anew (
    number INTEGER PRIMARY KEY,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    kind TEXT NOT NULL CHECK (
        kind IN ('created', 'sent', 'unsent', 'approved', 'declined', 'unanswered', 'handed_over', 'contradicted')
    ),
    at REAL NOT NULL,
    details TEXT NOT NULL
) STRICT;
INSERT INTO entries_anew (number, payment_id, kind, at, details)
SELECT
    entries.number, entries.payment_id, entries.kind, entries.at,
    CASE
        WHEN entries.kind <> 'created' THEN entries.details
        WHEN payments.amount_rial IS NULL THEN
            json_object('provider', payments.provider, 'invoice_id', payments.invoice_id)
        ELSE json_object(
            'provider', payments.provider, 'invoice_id', payments.invoice_id,
            'amount_rial', CAST(payments.amount_rial AS TEXT)
        )
    END
FROM entries JOIN payments ON payments.id = entries.payment_id;
DROP TABLE entries;
ALTER TABLE entries_anew RENAME TO entries;
CREATE INDEX entries_of_payment ON entries (payment_id);

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
-- REPLACE deletes without asking the trigger above.
CREATE TRIGGER entries_are_not_replaced BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM entries WHERE number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE INDEX payments_for_people ON payments (number) WHERE for_people = 1;
