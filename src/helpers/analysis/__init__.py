"""What more than one chapter reads from the tables."""
