"""Receipts, credit and debit notes for people: a page that prints, and the same as PDF."""
