"""What nobody needs any more goes: found, put out of sight, looked at once more, and cleared away."""
