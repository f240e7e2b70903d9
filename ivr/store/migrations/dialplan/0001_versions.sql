-- Every version of the dialplan that was ever in use, and when. A text that several versions share is kept once.
CREATE TABLE texts (
    digest TEXT PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE files (
    version TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES texts (digest),
    PRIMARY KEY (version, name)
) STRICT, WITHOUT ROWID;

-- The last one is the version in use now.
CREATE TABLE uses (
    number INTEGER PRIMARY KEY,
    version TEXT NOT NULL,
    at REAL NOT NULL,
    how TEXT NOT NULL,
    who TEXT NOT NULL
) STRICT;

CREATE TRIGGER texts_are_not_changed BEFORE UPDATE ON texts
BEGIN SELECT RAISE(ABORT, 'a version is kept as it was'); END;
CREATE TRIGGER texts_are_not_deleted BEFORE DELETE ON texts
BEGIN SELECT RAISE(ABORT, 'a version is kept as it was'); END;
CREATE TRIGGER files_are_not_changed BEFORE UPDATE ON files
BEGIN SELECT RAISE(ABORT, 'a version is kept as it was'); END;
CREATE TRIGGER files_are_not_deleted BEFORE DELETE ON files
BEGIN SELECT RAISE(ABORT, 'a version is kept as it was'); END;
CREATE TRIGGER uses_are_not_changed BEFORE UPDATE ON uses
BEGIN SELECT RAISE(ABORT, 'what was in use stays so'); END;
CREATE TRIGGER uses_are_not_deleted BEFORE DELETE ON uses
BEGIN SELECT RAISE(ABORT, 'what was in use stays so'); END;
