"""Marquez's `/api/v1` over the index, so that its clients and its web UI find what they ask for.

What the index does not keep is not made up: raw events are empty. What a client writes is sent as an event.
"""
