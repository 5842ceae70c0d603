"""From records to an outcome: pure functions, named rules, no network and no clock.

A verdict is never better than its evidence. Each layer (DNS, TCP, TLS, HTTP) is judged by itself and yields findings;
`judge` puts them together in the order in which a connection meets them.
"""
