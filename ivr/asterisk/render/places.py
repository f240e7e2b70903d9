"""Where an Asterisk of our own finds its parts and keeps its state. Values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Directories:
    """The `[directories]` of asterisk.conf. `modules` and `data` come with the installation and are only read."""

    modules: str
    data: str
    state: str
    """Asterisk's own database and keys."""
    spool: str
    """Recordings go into its `recording`."""
    run: str
    """Holds the control socket; its path must stay under 100 bytes, and may be relative to the working directory."""
    log: str
