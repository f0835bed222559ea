"""What all tests have in common."""

from hypothesis import HealthCheck, settings

# The machine may be busy with a sandbox at the same time: how long one example takes says nothing.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")
