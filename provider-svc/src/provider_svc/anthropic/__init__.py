"""The provider for Anthropic: OpenAI chat clients on the Messages API."""
