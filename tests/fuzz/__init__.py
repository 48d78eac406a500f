"""A structure-aware fuzzer over everything that reads bytes from outside: `make fuzz SEED=1 MINUTES=10`."""
