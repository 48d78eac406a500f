"""Others that read OpenLineage from Kafka, measured on the same records."""
