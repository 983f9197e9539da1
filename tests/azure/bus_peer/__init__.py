"""A peer that stands for Azure Service Bus: queues in memory, spoken to over AMQP 1.0 by Microsoft's own client.

    python -m tests.azure.bus_peer --listen 127.0.0.1:0 --queues '{"orders": {"lock_s": 5}}'

Tests start it through `client.BusPeer`. What travels over the wire is decided in links and requests, what becomes of a
message in queues, what goes wrong on purpose in faults.
"""
