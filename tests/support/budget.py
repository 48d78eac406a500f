"""How many examples Hypothesis tries, by `HYPOTHESIS_PROFILE`: the default is for every `make test`.

`long` is for hours; `first` is content with the first failure, however large.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_PROFILE = os.environ.get("HYPOTHESIS_PROFILE")
_LONG = 100


def within(examples: int, *, steps: int = 12) -> settings:
    """Settings for a test that usually tries so many examples, each of at most so many steps."""
    phases = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
    return settings(
        max_examples=examples * _LONG if _PROFILE == "long" else examples,
        stateful_step_count=steps,
        deadline=None,
        phases=phases[:-1] if _PROFILE == "first" else phases,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
