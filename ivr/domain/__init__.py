"""Values that everything else is made of. No input, no output, no clock."""
