"""Longer trials of the whole thing: broken on purpose, or for long; the carrier is the judge."""
