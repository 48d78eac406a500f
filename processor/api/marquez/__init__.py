"""Marquez's `/api/v1` over the index, so that its clients and its web UI find what they ask for.

What the index does not keep is not made up: raw events and counts of them are empty, and nothing can be created,
renamed or deleted here but by lineage events.
"""
