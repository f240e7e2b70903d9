-- Which of several processes looks after a payment; where one process owns the file, always the same.
ALTER TABLE payments ADD COLUMN worker TEXT NOT NULL DEFAULT '';
