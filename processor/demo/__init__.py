"""The demo: a sample company whose pipelines are played on this machine, and a live view of what becomes of it."""
