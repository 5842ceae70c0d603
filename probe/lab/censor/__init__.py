"""The process in a router's namespace: what the kernel's own filters cannot do.

The kernel hands it every packet that a recipe may concern (NFQUEUE) and waits for its verdict, so a forged packet is
always ahead of the real one: a middlebox nearer than the server, without a race that a loaded machine could lose.
Forged packets leave on the client's own cable (AF_PACKET), past the router's netfilter, whose connection tracking they
would upset.
"""
