"""Pictures of waveforms: PNG and SVG."""
