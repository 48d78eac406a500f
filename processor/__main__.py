"""`python -m processor` is the command `lineage`."""

from processor.cli import main

if __name__ == "__main__":
    main()
