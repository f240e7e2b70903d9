"""Asterisk configuration, written from our own YAML."""
