"""The HTML page and the fragment that notebooks show."""
