"""The alerter: from changes and the index to alerts, their life, and whoever is to hear of them."""
