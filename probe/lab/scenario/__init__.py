"""A censored country over time: a file says who interferes with what and when, and what must come of it.

`model` is the file's form, `loader` reads and checks it; `timeline` says in which order things happen and `effects`
what holds at each moment, both as pure data; `techniques` turns that into recipes, `population` into ISPs and
vantage points; `run` plays it in a lab, and `verify` holds what the probes said against what the file expects.
"""
