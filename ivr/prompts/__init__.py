"""What the caller hears, by name: the catalogue and spoken amounts and digits. Pure."""
