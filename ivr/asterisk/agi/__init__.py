"""Calls that Asterisk hands over by AGI(): a server, and a voice on each of its connections."""
