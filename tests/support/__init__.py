"""What several tests share: building events, and filling stores with them."""
