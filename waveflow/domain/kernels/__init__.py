"""Kernels: the loops over samples, written in Python and compiled by Numba ahead of use.

Each is a plain function of pointers and scalars. `native.Kernel` calls its machine code, which
`compiler` makes once for a processor and `cache` keeps on disk: a process that finds it there
never imports numba. With NUMBA_DISABLE_JIT=1 the functions run as the Python they are.

`peaks.LAYOUTS` is the one place that says which kernel reads which samples. Each kernel has a
slow, obvious twin in `tests/support/twins.py`. No kernel uses `fastmath`: NaN has to be seen.
"""
