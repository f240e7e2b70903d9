-- What is kept of a USSD session between two screens. `state` is JSON; `held_until`: a process works on it until then.
CREATE TABLE ussd_sessions (
    service TEXT NOT NULL,
    session_id TEXT NOT NULL,
    mobile TEXT NOT NULL,
    state TEXT NOT NULL,
    over INTEGER NOT NULL,
    waits INTEGER NOT NULL,
    touched_at REAL NOT NULL,
    holder TEXT NOT NULL,
    held_until REAL NOT NULL,
    PRIMARY KEY (service, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX ussd_sessions_of_user ON ussd_sessions (mobile, service, touched_at);
CREATE INDEX ussd_sessions_by_age ON ussd_sessions (touched_at);
