"""The language that all rooms speak: graphs, runs, messages, ports and errors. Knows no other room."""
