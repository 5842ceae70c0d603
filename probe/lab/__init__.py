"""A censored internet on one machine: real Linux network namespaces, a world of servers, and censors between.

`model` and `interference` say what there is to build, as data; `internet` builds the world of a catalogue; `layout`
and `namespaces` lay the cables and take them away; `world` and `censor` are the two kinds of processes inside; `lab`
puts them together; `cases` lists what every release must judge right, and `accuracy` runs one.

The product under test is only ever called by its command line: nothing here imports it.
"""
