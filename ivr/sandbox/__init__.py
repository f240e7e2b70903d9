"""The providers as real servers with faults on demand, for the demo, the tests and the benchmark."""
