"""The provider for OpenAI and for everything that speaks its language."""
