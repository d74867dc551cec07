"""`waveflow config`: shows the settings in force, where each comes from, and what is wrong."""
