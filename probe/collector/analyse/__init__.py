"""From the log to what is read: judging again, votes, rollups, expectations. Every row here can be rebuilt."""
