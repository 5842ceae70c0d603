"""Ports of the router's own processes, to which the kernel redirects."""

DNS_PORT = 5300
TLS_PORT = 4430
PORTAL_PORT = 8080
