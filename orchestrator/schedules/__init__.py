"""Schedules: when a rule fires. Knows no clock: what time it is comes from whoever asks."""
