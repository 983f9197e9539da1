"""Servers of ours in the place of services that no machine can have, each proved by the service's own client."""
