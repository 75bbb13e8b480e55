"""Streams survive their connection where each part is a container: they are read on at whichever edge Envoy takes."""

from e2e.test_resumed_streams import *  # noqa: F403  the same tests, of this mesh

# That of the folder is meant.
del mesh  # noqa: F821
# Pipelines, windows and models of its own.
del test_a_stream_is_read_on_through_the_pipeline_it_began_in, test_nobody_comes_back_and_the_provider_is_left  # noqa: F821
# A cache that keeps every answer.
del test_an_answer_nobody_waited_for_is_kept, test_a_cached_stream_is_read_on_where_it_is_kept  # noqa: F821
del test_calls_that_share_a_flight_are_streams_of_their_own  # noqa: F821
# Processes of this machine are ended.
del test_a_worker_that_is_killed_takes_no_stream_with_it, test_what_was_read_outlives_the_service_that_read_it  # noqa: F821
del test_a_worker_that_stops_hands_its_streams_over  # noqa: F821
del test_many_streams_are_cut_again_and_again_and_a_worker_is_killed  # noqa: F821
# Meshes of its own.
del test_what_was_read_to_its_end_is_found_at_another_edge_by_its_copy  # noqa: F821
