"""How many workers a platform needs: a simulation of many, fed with what was measured of one."""
