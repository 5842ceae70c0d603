"""From votes to incidents that people are told: runs detection, keeps its state, writes the notices."""
