"""Other people's oracles: ml_dtypes, gfloat, recorded TestFloat vectors, MPFR. All are optional."""
