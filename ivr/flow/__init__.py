"""The call-flow engine. Pure: an event goes in, a new session and commands come out."""
