"""The HTTP face of the service: routes by noun. Both doors serve the same app."""
