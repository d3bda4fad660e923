"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A shared machine is slow at times, and slow is not wrong.
settings.register_profile("tollgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tollgate")
