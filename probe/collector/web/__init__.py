"""What the collector shows: the reading API, metrics, health. It reads the views and never keeps the writer waiting."""
