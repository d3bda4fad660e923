"""Receipts and credit notes for people: a page that prints, and the same as PDF."""
