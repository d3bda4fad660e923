"""Calling plans: the files, and what reads them; rates/ holds decks to try them with."""
