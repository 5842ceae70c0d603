"""Pure functions from votes to restrictions, and from restrictions to incidents. Reads no clock and no file."""
