"""`waveflow again`: has stems that were analysed before analysed once more."""
