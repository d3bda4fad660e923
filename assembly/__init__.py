"""Puts charging together from the settings: its rules, its ledger, its plans, decks and phones."""
