"""`waveflow explain`: says what became of one stem, and what can be done about it."""
