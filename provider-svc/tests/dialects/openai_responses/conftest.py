"""How the property tests of this dialect run."""

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a busy machine is not a failure
settings.load_profile("unhurried")
