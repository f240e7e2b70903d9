"""Who sits at the terminal: the name under what people have done.

Law: the account that the system knows, not what its environment says; only root may say on whose behalf it acts (sudo).
"""

import os
import pwd


def who() -> str:
    """A person behind sudo is that person."""
    user = os.getuid()
    if user == 0 and (person := os.environ.get("SUDO_USER")):
        return person
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a user id without a name
        return str(user)
