"""Recordings on disk: made by a speech synthesiser or dropped in by a person."""
