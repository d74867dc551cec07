"""`waveflow queue`: looks at the queue, and gives dead letters another chance."""
