"""To try and test with."""
