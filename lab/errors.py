"""What goes wrong in the laboratory, each a sentence for the person at the terminal."""


class LabError(Exception):
    """Something of the laboratory cannot start, or did not do in time what was waited for."""
