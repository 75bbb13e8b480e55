"""The provider for Anthropic's own API."""
