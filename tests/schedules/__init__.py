"""When a rule fires, held against a second opinion that looks at every minute."""
