"""The provider that needs no network: answers that depend on nothing but the request."""
