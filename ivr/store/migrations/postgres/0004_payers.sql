-- Who pays, as the network said it (a mobile, 09…), set when the payment is created and never changed; and the bank's
-- digital receipt, which the lines make as they make the reference.
ALTER TABLE payments ADD COLUMN payer TEXT;
ALTER TABLE payments ADD COLUMN receipt TEXT;
CREATE INDEX payments_of_payer ON payments (payer, number) WHERE payer IS NOT NULL;

DROP TRIGGER payments_stay_what_they_are ON payments;
CREATE TRIGGER payments_stay_what_they_are BEFORE UPDATE ON payments
FOR EACH ROW WHEN (
    (OLD.number, OLD.id, OLD.call_id, OLD.provider, OLD.invoice_id, OLD.transaction_id, OLD.amount_rial,
     OLD.created_at, OLD.payer)
    IS DISTINCT FROM
    (NEW.number, NEW.id, NEW.call_id, NEW.provider, NEW.invoice_id, NEW.transaction_id, NEW.amount_rial,
     NEW.created_at, NEW.payer)
)
EXECUTE FUNCTION refuse('a payment stays what it was created as');
