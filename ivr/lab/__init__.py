"""A private real Asterisk and a real calling phone, for the demo, the tests and the benchmark."""
