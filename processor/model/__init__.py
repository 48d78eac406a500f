"""Pure values: identities, facts of an event, schemas, mappings, changes, alerts, errors."""
