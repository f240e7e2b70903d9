"""One call without a telephone: played by a person or a program, recorded as a file, and replayed from one."""
