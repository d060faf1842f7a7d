"""The labels of figures as they may be shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from actors.masking import masked
from actors.runtime.metric import Sample, Value

_masked = lru_cache(4096)(masked)


def labelled(samples: Iterable[Sample]) -> Iterator[tuple[list[str], Value]]:
    """The samples with the values of their labels as they may be shown: masked as in a log line.

    Those that are the same once they are masked are numbered, as no two samples may have the same labels.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for labels, value in samples:
        true = list(labels.values())
        shown = [_masked(one) for one in true]
        if shown != true:
            seen[tuple(shown)] += 1
            if (number := seen[tuple(shown)]) > 1:
                shown = [f"{one} ({number})" if one != was else one for one, was in zip(shown, true, strict=True)]
        yield shown, value
