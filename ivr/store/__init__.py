"""What must survive the process: the money journal, sessions, invoices."""
