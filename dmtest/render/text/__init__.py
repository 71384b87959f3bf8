"""Results as text: terminal, continuous integration, a training run."""
