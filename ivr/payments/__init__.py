"""The payment attempt as a state table, and the port that a provider fulfils. Pure."""
