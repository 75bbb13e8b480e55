"""A provider around a provider, which asks together what several calls ask at the same moment.

Pure: `item`, `merging`, `splitting`, `shares`, `shared_failure`. With tasks and timers: `batch`, `provider`.
"""
