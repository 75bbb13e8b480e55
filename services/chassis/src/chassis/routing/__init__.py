"""Which model's route answers a call: rules and experiments, for the edge that applies them and for those who explain it. Pure."""
