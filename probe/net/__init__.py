"""One network step a file: opens a socket, times what happens, returns a record in the failure vocabulary."""
