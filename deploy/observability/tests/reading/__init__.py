"""What queries ask for, and what there is."""
