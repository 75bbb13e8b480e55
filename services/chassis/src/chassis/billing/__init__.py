"""What calls cost, and what those used that nobody counted to their end."""
