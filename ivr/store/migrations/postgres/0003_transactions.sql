-- A payment is also looked for by the provider's key of it: whoever comes back from a pay page may know only that.
CREATE INDEX payments_of_transaction ON payments (provider, transaction_id) WHERE transaction_id IS NOT NULL;
