"""Time and memory, beside other packages and the machine's own limits."""
