"""What a type's name means, and what a change of it does to whoever reads the column."""
