"""Brings the service into an author's own subscription: what is wanted, what it costs, the commands, the package.

Needs a clone, whose infra/ and rooms it sends. The rest of what an author installs does not know this.
"""
