"""Checks of infra/: what can be known of Bicep without its compiler."""
