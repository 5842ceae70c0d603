"""A scenario without a network: virtual probes report what real ones would have seen, faster than real time.

`fleet` says who they are, `fates` what befalls an endpoint at a moment; `walk` writes the steps that a probe would have
recorded of it, so that a collector judges them like any others; `rounds` lays the measurements out in time. `client`
speaks to a collector, `headquarters` runs one on loopback, `play` brings it all together, and `findings` and `checks`
hold what the collector makes of it against what the scenario's file expects.
"""
