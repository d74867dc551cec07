"""A model check of deletion: the product's own code, in every order that the world allows.

`search.py` is the search, `rehearsal.py` runs a delivery step by step, `world.py` has what it
runs in (queue, storage, main server, people) and what must never be seen there.
"""
