"""Asking provider-svc."""
