"""Responses that providers store: who has which, how the edge learns of it, and what is asked of it later."""
