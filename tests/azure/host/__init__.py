"""A Functions host for one machine: the real protocol to a worker in which Microsoft's runtime library runs an app."""
