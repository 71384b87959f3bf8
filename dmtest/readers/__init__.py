"""Readers, one module a kind of source; all end in a :class:`~dmtest.readers.columns.Loaded`."""
