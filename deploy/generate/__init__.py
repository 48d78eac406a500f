"""What is made from the code and committed: `make docs` writes it anew, and tests hold it to the code."""
