"""Provider clients, one file each."""
