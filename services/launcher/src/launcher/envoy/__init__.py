"""Envoy's configuration: one source, written out for a mesh on this machine, for compose and for the chart."""
