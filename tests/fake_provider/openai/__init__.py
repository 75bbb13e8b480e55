"""OpenAI's endpoints, and those that others modelled after them."""
