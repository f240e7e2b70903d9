-- What the merchants' API keeps beside the journal: whose an invoice is, requests that must not be carried out twice,
-- and which lines of the journal merchants have been told of.
CREATE TABLE merchant_invoices (
    id TEXT PRIMARY KEY,
    merchant TEXT NOT NULL,
    provider TEXT NOT NULL,
    tracking_code TEXT NOT NULL,
    UNIQUE (provider, tracking_code)
) STRICT;

-- A row stands here before anybody is asked. `digest` is of the body without its secrets.
CREATE TABLE merchant_requests (
    merchant TEXT NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    subject TEXT NOT NULL,
    at REAL NOT NULL,
    held_by TEXT NOT NULL,
    held_until REAL NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1)),
    PRIMARY KEY (merchant, operation, key)
) STRICT;

CREATE TABLE merchant_links (
    invoice_id TEXT PRIMARY KEY REFERENCES merchant_invoices (id),
    payment_id TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    url TEXT NOT NULL
) STRICT;

-- One row for each line of the journal that a merchant is told of. Whoever delivers it moves `next_at` first, so that
-- nobody else does so meanwhile.
CREATE TABLE deliveries (
    entry INTEGER PRIMARY KEY REFERENCES entries (number),
    merchant TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    at REAL NOT NULL,
    tries INTEGER NOT NULL,
    next_at REAL NOT NULL,
    delivered_at REAL
) STRICT;
CREATE INDEX deliveries_waiting ON deliveries (merchant, entry) WHERE delivered_at IS NULL;
CREATE INDEX deliveries_of_payment ON deliveries (payment_id);

-- Up to which line the journal was looked through for them.
CREATE TABLE deliveries_seen (
    name TEXT PRIMARY KEY,
    entry INTEGER NOT NULL
) STRICT;
