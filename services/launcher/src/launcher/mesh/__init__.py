"""The mesh behind a real Envoy, as processes of one machine that are to each other what pods are."""
