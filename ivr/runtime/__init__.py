"""One task per call: events in, the session advances, its commands go out to the ports."""
