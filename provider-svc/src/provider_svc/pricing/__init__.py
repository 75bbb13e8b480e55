"""What the models of configured providers cost, and what a call has come to."""
