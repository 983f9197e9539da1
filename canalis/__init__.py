"""Canalis."""
