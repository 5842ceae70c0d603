"""One network step a file: opens a socket, times what happens, maps errors to the failure vocabulary, returns a record."""
