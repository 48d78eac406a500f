"""The convergent index: joins, stores that apply them, and the views that read them."""
