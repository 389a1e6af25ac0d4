"""Rules on one study's saved record: what a single evaluation can show of the Standard."""
