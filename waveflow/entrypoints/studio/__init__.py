"""`waveflow studio`: the whole of WaveFlow in one process, with a page to try it on."""
