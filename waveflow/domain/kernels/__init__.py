"""Numba kernels: arrays and scalars in, arrays and scalars out.

Nothing outside this package imports numba. Each kernel has a slow, obvious twin in
`tests/support/twins.py`. No kernel uses `fastmath`: NaN has to be seen.
"""
