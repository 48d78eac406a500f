"""Dead letters: looking at them, sending them back, throwing them away; on the topic, and in the file of `load`."""
