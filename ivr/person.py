"""Who sits at the terminal: the name under what people have done."""

import getpass
import os


def who() -> str:
    """A person behind sudo is that person."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return str(os.getuid())
