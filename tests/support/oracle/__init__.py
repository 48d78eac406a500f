"""What the index must say, from the definitions alone: single-threaded, slow, and written to be read.

`read.py` says what one OpenLineage event states, `answers.py` what many of them come to (`values.py`: in what form),
`compare.py` holds an index to it through `View`, and `news.py` says what must have been announced. Nothing here calls
the decoder's rules, `reduce` or a join.
"""

from tests.support.oracle.answers import Oracle
from tests.support.oracle.compare import differences
from tests.support.oracle.news import unannounced
from tests.support.oracle.read import Event, read

__all__ = ["Event", "Oracle", "differences", "read", "unannounced"]
