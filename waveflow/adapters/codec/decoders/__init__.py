"""The decoders, one module for each library, and the table of which one a format gets."""
