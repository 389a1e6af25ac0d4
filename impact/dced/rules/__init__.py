"""Rules on a whole programme, one for each item of the table, by element."""
