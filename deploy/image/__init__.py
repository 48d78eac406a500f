"""The image: `build` makes it with buildah, `smoke` works with it."""
