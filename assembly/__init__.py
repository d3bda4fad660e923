"""Puts charging together from the settings: its rules, its ledger, its plans, decks and phones."""

from assembly.charging import Assembled, AssemblyError, open_charging

__all__ = ["Assembled", "AssemblyError", "open_charging"]
