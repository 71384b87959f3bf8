"""The reference trainer: distribution matching by injected noise. Needs the extra ``train``."""
