"""Asterisk and the other telephone programs: where they are, and how to start them."""
