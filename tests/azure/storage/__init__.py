"""Azure Storage for one machine: Azurite, and a proxy that has its faults and counts what goes through it."""
