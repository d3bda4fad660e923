"""One real paid call through a real Asterisk, explained as it happens: `make run`."""
