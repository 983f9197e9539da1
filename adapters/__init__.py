"""The ports kept by real storage. Adapters speak bytes and documents; what they mean is decided elsewhere."""
