"""What is shipped, and whether it is what it should be: docs/supply-chain.md."""
