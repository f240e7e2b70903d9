-- The newest snapshot of every living call's session.
CREATE TABLE sessions (
    call_id TEXT PRIMARY KEY,
    snapshot TEXT NOT NULL
) STRICT, WITHOUT ROWID;
