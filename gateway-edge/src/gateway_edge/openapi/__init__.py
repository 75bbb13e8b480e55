"""The description of the edge for its clients, and what checks their requests against it."""
