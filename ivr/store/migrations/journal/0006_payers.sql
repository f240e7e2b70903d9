-- Who pays, as the network said it (a mobile, 09…), set when the payment is created and never changed; and the bank's
-- digital receipt, which the lines make as they make the reference.
ALTER TABLE payments ADD COLUMN payer TEXT;
ALTER TABLE payments ADD COLUMN receipt TEXT;
CREATE INDEX payments_of_payer ON payments (payer, number) WHERE payer IS NOT NULL;

DROP TRIGGER payments_stay_what_they_are;
CREATE TRIGGER payments_stay_what_they_are
BEFORE UPDATE OF number, id, call_id, provider, invoice_id, transaction_id, amount_rial, created_at, payer ON payments
BEGIN SELECT RAISE(ABORT, 'a payment stays what it was created as'); END;
