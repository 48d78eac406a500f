"""A package, so that no other one of this name that an installed package brings along stands before it."""
