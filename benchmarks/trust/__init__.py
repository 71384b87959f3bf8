"""Files that are damaged, and numbers at the edges."""
