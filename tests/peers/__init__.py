"""Services that Canalis asks for work, as small HTTP servers of ours: documented routes, states, delays and faults.

Their faithfulness is proved by the services' own clients, which drive them in tests/peers/test_*.py.
"""
