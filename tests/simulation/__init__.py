"""The whole service in one thread, on ports that fail, driven by one seed."""
