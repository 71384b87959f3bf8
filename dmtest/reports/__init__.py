"""Put a report together: tests, effects, diagnosis, figures, verdict."""
