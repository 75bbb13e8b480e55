"""What calls cost is told and recorded where each part is a container."""

from e2e.test_costs import *  # noqa: F403  the same tests, of this mesh

# Its second question may come before the Redis has the first one's answer, and shares that: COALESCED, as dear as a hit.
del test_a_hit_costs_nothing_and_saves_what_the_first_answer_cost  # noqa: F821
