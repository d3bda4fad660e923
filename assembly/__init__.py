"""Puts charging together from the settings: its rules, its ledger, its plans, decks and phones."""

from assembly.charging import Assembled, AssemblyError, balance_of, open_charging, parts_of

__all__ = ["Assembled", "AssemblyError", "balance_of", "open_charging", "parts_of"]
