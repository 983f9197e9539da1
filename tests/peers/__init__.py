"""Services that Canalis asks, as small HTTP servers of ours: documented routes, states, delays and faults.

Their faithfulness is proved by the services' own clients, which drive them in tests/peers and tests/contract.
"""
