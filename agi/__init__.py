"""Feature codes by FastAGI: a phone asks, and hears. Nothing here can move money."""
