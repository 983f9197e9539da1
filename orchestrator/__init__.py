"""A run's life: submit, advance, sweep, views. The only room that decides what happens next in a run."""
