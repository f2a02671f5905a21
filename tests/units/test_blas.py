"""The limits on BLAS's threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from emu.units.blas import _limits, blas_threads


def threads() -> set[int]:
    return {library.num_threads for library in _limits().libraries}


def test_the_least_limit_holds_and_what_was_before_comes_back():
    before = threads()
    assert before  # NumPy has a BLAS that can be told
    with blas_threads(2):
        assert threads() == {2}
        with blas_threads(1), blas_threads(7):
            assert threads() == {1}
        assert threads() == {2}
    assert threads() == before


def test_an_error_ends_the_limit():
    before = threads()
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        raise ZeroDivisionError
    assert threads() == before


def test_limits_of_many_threads():
    before = threads()

    def limited(_: int) -> bool:
        with blas_threads(1):
            return threads() == {1}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(limited, range(400)))
    assert threads() == before
