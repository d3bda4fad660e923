"""For all tests."""

from hypothesis import settings

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("tollgate", deadline=None, print_blob=True)
settings.load_profile("tollgate")
