"""What is kept and what goes, judged by histories made at random."""
