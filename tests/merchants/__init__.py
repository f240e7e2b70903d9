"""The merchants' API over real HTTP: a real store, the sandbox behind it, and a receiver that can misbehave."""
