"""What is wrong with a flow as a whole, one rule a file."""
