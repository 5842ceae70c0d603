"""What a probe may contact and what is known of it: platforms, infrastructure, fingerprints and tables. Pure."""
