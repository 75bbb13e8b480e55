"""Rooms: what members of a tenant do together, over whichever edge each is connected."""
