"""Everything that knows Asterisk."""
