"""An example: middleware of your own, as a package."""
