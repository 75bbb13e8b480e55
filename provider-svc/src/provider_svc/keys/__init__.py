"""The keys of one provider: which takes the next call, and how many calls each has at once."""
