"""The metrics of tasks: each one formula.

* Accuracy: right answers over all. Agreement: the same, with IEEE's answers for the truth.
* Error rate: the least number of insertions, deletions and substitutions that make the answers of the truths, over the
  length of the truths; all samples together. Of characters or of words.
* Mean reciprocal rank: the mean of 1 / r, r being the place of the right candidate, 1 for the best. Candidates with the
  same score as the right one count as before it. A NaN score is below every other.
* Perplexity: exp of the mean of -log p(next token), p by a softmax in float64.
* Cosine: x·y / (|x| |y|) in float64, the mean over rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(answers: Sequence[Any], truths: Sequence[Any]) -> float:
    """The share of equal pairs."""
    equal = [a == b for a, b in zip(answers, truths, strict=True)]
    return equal.count(True) / len(equal)


def edit_distance(answer: Sequence[Any], truth: Sequence[Any]) -> int:
    """Insertions, deletions and substitutions at least (Levenshtein)."""
    row = list(range(len(truth) + 1))
    for i, a in enumerate(answer, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(truth, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def error_rate(answers: Sequence[Sequence[Any]], truths: Sequence[Sequence[Any]]) -> float:
    """Edits over the length of the truths."""
    edits = sum(edit_distance(a, b) for a, b in zip(answers, truths, strict=True))
    return edits / sum(map(len, truths))


def mean_reciprocal_rank(scores: NDArray[np.float64]) -> float:
    """Of a square table [queries, candidates] whose diagonal holds the right pairs."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    ranks = (known >= np.diag(known)[:, None]).sum(axis=1)
    return float(np.mean(1 / ranks))


def perplexity(logits: NDArray[Any], tokens: NDArray[np.int64]) -> float:
    """Of the tokens [n] after the first, given logits [n, vocabulary]: row i tells token i + 1."""
    x = logits[:-1].astype(np.float64)
    top = x.max(axis=1, keepdims=True)
    spread = top[:, 0] + np.log(np.exp(x - top).sum(axis=1))
    loss = spread - np.take_along_axis(x, tokens[1:, None], axis=1)[:, 0]
    mean = float(np.mean(loss))
    return math.exp(mean) if mean < 700 else math.inf if mean == mean else math.nan


def mean_cosine(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Of the rows of two tables of the same shape."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        each = (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return float(np.mean(each))
