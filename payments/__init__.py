"""Money in: the only process that talks to a card processor and holds its keys."""
