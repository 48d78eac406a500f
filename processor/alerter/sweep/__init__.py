"""What is wrong now, read from the index: all of it in one stream, or what concerns a few nodes."""
