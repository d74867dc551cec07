"""How fast WaveFlow is, beside other programs and beside what the machine allows: `make bench`."""
