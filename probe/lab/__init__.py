"""A censored internet on one machine: real Linux network namespaces, a world of servers, and censors between.

`model` and `interference` say what there is to build, as data; `internet` builds the default world and that of a whole
catalogue; `namespaces` lays the cables and takes them away; `world` and `censor` are the two kinds of processes that run
inside; `lab` puts them together; `cases` lists what every release must judge right.

The product under test is only ever called by its command line: nothing here imports it.
"""
