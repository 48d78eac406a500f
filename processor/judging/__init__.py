"""What the alerter's sweep, the API and the command judge alike: coverage, trust, and a change that is proposed."""
